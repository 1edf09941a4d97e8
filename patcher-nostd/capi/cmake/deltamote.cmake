# The library as a CMake target, built by cargo.
#
#   DELTAMOTE_RUST_TARGET   triple to build for; empty: the host
#   DELTAMOTE_FEATURES      cargo features (capi/Cargo.toml), default ed25519;two-signatures;prior-small
#                           (key-sets, encryption, x25519 and others: capi/README.md)
#   DELTAMOTE_ISAS          instruction sets, features too; empty: that of the triple
#   DELTAMOTE_OPT_LEVEL     s (default), z, 2, 3
#
# defines deltamote::deltamote. Link it with -Wl,--gc-sections on a device: an image in
# which a panic can be reached does not link then.
include_guard(GLOBAL)

set(DELTAMOTE_RUST_TARGET "" CACHE STRING "Rust target triple; empty for the host")
set(DELTAMOTE_FEATURES "ed25519;two-signatures;prior-small" CACHE STRING "cargo features of the library")
set(DELTAMOTE_ISAS "" CACHE STRING "instruction sets of the images; empty: by the target")
set(DELTAMOTE_OPT_LEVEL "s" CACHE STRING "optimisation level of the library")

find_program(DELTAMOTE_CARGO cargo HINTS "$ENV{HOME}/.cargo/bin" REQUIRED)
get_filename_component(DELTAMOTE_CAPI "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

function(deltamote_define)
    set(build ${CMAKE_BINARY_DIR}/deltamote-cargo)
    set(features ${DELTAMOTE_FEATURES})
    if(DELTAMOTE_ISAS)
        list(APPEND features ${DELTAMOTE_ISAS})
    elseif(DELTAMOTE_RUST_TARGET MATCHES "^thumb")
        list(APPEND features thumb)
    elseif(DELTAMOTE_RUST_TARGET MATCHES "^riscv")
        list(APPEND features riscv)
    else()
        list(APPEND features all-isas)
    endif()
    if(DELTAMOTE_RUST_TARGET)
        set(triple --target ${DELTAMOTE_RUST_TARGET})
        set(out ${build}/${DELTAMOTE_RUST_TARGET}/release)
        list(APPEND features device)
        # SHA-2 as loops: 3 KB of text instead of 33.
        set(flags "RUSTFLAGS=--cfg sha2_backend_soft=\"compact\"")
    else()
        set(triple)
        set(out ${build}/release)
        list(APPEND features host)
        set(flags "RUSTFLAGS=")
    endif()
    list(JOIN features "," features)
    set(library ${out}/libdeltamote_capi.a)

    # Always asked: cargo knows what is out of date.
    add_custom_target(deltamote_cargo
        COMMAND ${CMAKE_COMMAND} -E env "${flags}"
            ${DELTAMOTE_CARGO} rustc --quiet --release --lib --crate-type staticlib ${triple}
            --manifest-path ${DELTAMOTE_CAPI}/Cargo.toml --target-dir ${build}
            --no-default-features --features ${features}
            --config "profile.release.opt-level=\"${DELTAMOTE_OPT_LEVEL}\""
            --config "profile.release.lto=\"fat\"" --config profile.release.codegen-units=1
            --config "profile.release.panic=\"abort\"" --config profile.release.debug=false
        BYPRODUCTS ${library}
        COMMENT "cargo: deltamote for ${DELTAMOTE_RUST_TARGET}"
        VERBATIM)

    add_library(deltamote_library STATIC IMPORTED GLOBAL)
    add_dependencies(deltamote_library deltamote_cargo)
    set_target_properties(deltamote_library PROPERTIES
        IMPORTED_LOCATION ${library}
        INTERFACE_INCLUDE_DIRECTORIES ${DELTAMOTE_CAPI}/include)
    if(NOT DELTAMOTE_RUST_TARGET)
        find_package(Threads REQUIRED)
        set_property(TARGET deltamote_library PROPERTY
            INTERFACE_LINK_LIBRARIES Threads::Threads ${CMAKE_DL_LIBS} m)
    endif()
    add_library(deltamote INTERFACE)
    target_link_libraries(deltamote INTERFACE deltamote_library)
    add_library(deltamote::deltamote ALIAS deltamote)
endfunction()

if(NOT TARGET deltamote::deltamote)
    deltamote_define()
endif()
