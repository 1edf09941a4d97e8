"""A second opinion on the Deltamote patch format: a slow, plain decoder.

Written from SPEC.md alone, to be read beside it: each file names its sections. It shares
no code, no table and no idea of structure with the Rust crates; the two agree because the
document says enough, or the tests fail.

    envelope.py    2, 4, 5   head, COSE_Sign1, manifest, signature
    signatures.py  4.4       ECDSA P-256 and LMS; ed25519.py: Ed25519; ml_dsa.py: ML-DSA-65
    key_set.py     4.5       key sets
    encryption.py  8.1       encrypted payloads
    chain.py       8         chunks and links
    coder.py       6.1       range decoder
    models.py      6.2-6.5   probabilities: the file that changes when models change
    header.py      6.6       payload header, address spaces
    refs/          7         references of each instruction set
    codec.py       6.7-6.11  ops, copies, literals, corrections, resets
    zstd_codec.py  13        the other codec; frames.py: zstd frames, compressed ones by a library
    journal.py     10        page headers and records
    apply.py       4.2       a patch applied: all checks that are not about flash
    vectors.py               runs every block of SPEC.md
    trials.py                compares with the `deltamote` command, patch by patch
"""
