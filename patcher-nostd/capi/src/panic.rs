//! A panic on the device is a link error: the handler calls what nobody defines.
//!
//! The linker must drop unused sections (`-Wl,--gc-sections`, as every firmware build
//! does); the handler itself is one as long as no panic can be reached. With features
//! under which the linker sees one in other people's crates, firmware defines the function
//! (README.md).

unsafe extern "C" {
    /// Defined nowhere here.
    safe fn deltamote_a_panic_is_reachable() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    deltamote_a_panic_is_reachable()
}
