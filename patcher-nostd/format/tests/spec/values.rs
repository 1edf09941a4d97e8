//! Values in the blocks: numbers, bytes, and the digest that the format truncates.

/// A decimal number, or a hexadecimal one behind `0x`.
pub fn number(s: &str) -> u64 {
    let parsed = match s.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => s.parse(),
    };
    match parsed {
        Ok(v) => v,
        Err(_) => panic!("SPEC.md: not a number: {s}"),
    }
}

pub fn u32_of(s: &str) -> u32 {
    u32::try_from(number(s)).unwrap()
}

pub fn numbers(s: &str) -> Vec<u32> {
    s.split_whitespace().map(u32_of).collect()
}

/// Hexadecimal digits, spaces ignored.
pub fn hex(s: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = s
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect())
}

/// In groups of 16 bytes.
pub fn to_hex(bytes: &[u8]) -> String {
    let groups = bytes.chunks(16);
    let groups = groups.map(|g| g.iter().map(|b| format!("{b:02x}")).collect::<String>());
    groups.collect::<Vec<_>>().join(" ")
}

/// Bytes as SPEC §1.2 writes them: digits, `DIGITS*COUNT`, `lcg(SEED,COUNT)`,
/// `old(FROM,TO)`.
pub fn bytes(s: &str, old: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for token in s.split_whitespace() {
        let pair = |inside: &str| -> (usize, usize) {
            let (a, b) = inside.trim_end_matches(')').split_once(',').unwrap();
            (number(a) as usize, number(b) as usize)
        };
        if let Some(inside) = token.strip_prefix("lcg(") {
            let (seed, count) = pair(inside);
            let mut x = seed as u32;
            out.extend((0..count).map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8
            }));
        } else if let Some(inside) = token.strip_prefix("old(") {
            let (from, to) = pair(inside);
            out.extend_from_slice(&old[from..to]);
        } else if let Some((digits, count)) = token.split_once('*') {
            out.extend(hex(digits).unwrap().repeat(number(count) as usize));
        } else {
            match hex(token) {
                Some(more) => out.extend(more),
                None => panic!("SPEC.md: not bytes: {token}"),
            }
        }
    }
    out
}

/// FIPS 180-4. Here because the format crate has no hash function of its own.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    let primes = (2u32..).filter(|n| (2..*n).all(|d| n % d != 0)).take(64);
    // Fractional parts of cube roots (and square roots, of the first eight).
    let root = |n: u32, power: i32| {
        let (mut low, mut high) = (0u128, 1u128 << 36);
        while high - low > 1 {
            let middle = (low + high) / 2;
            let value = match power {
                2 => Some(middle * middle),
                _ => (middle * middle).checked_mul(middle),
            };
            let goal = u128::from(n) << (32 * power);
            if value.is_some_and(|v| v <= goal) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low as u32
    };
    let primes: Vec<u32> = primes.collect();
    let k: Vec<u32> = primes.iter().map(|&n| root(n, 3)).collect();
    let mut h: Vec<u32> = primes.iter().take(8).map(|&n| root(n, 2)).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut w: Vec<u32> = block
            .chunks(4)
            .map(|b| b.iter().fold(0, |v, &x| v << 8 | u32::from(x)))
            .collect();
        for i in 16..64 {
            let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ w[i - 15] >> 3;
            let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ w[i - 2] >> 10;
            let sum = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]);
            w.push(sum.wrapping_add(s1));
        }
        let mut v = h.clone();
        for i in 0..64 {
            let s1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
            let choice = v[4] & v[5] ^ !v[4] & v[6];
            let t1 = v[7].wrapping_add(s1).wrapping_add(choice);
            let t1 = t1.wrapping_add(k[i]).wrapping_add(w[i]);
            let s0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
            let majority = v[0] & v[1] ^ v[0] & v[2] ^ v[1] & v[2];
            v.rotate_right(1);
            v[4] = v[4].wrapping_add(t1);
            v[0] = t1.wrapping_add(s0).wrapping_add(majority);
        }
        for (h, v) in h.iter_mut().zip(v) {
            *h = h.wrapping_add(v);
        }
    }
    let mut out = [0; 32];
    for (to, word) in out.chunks_mut(4).zip(h) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    out
}

/// A link (SPEC §8): SHA-256, truncated.
pub fn link(chunk: &[u8]) -> [u8; 16] {
    let mut link = [0; 16];
    link.copy_from_slice(&sha256(chunk)[..16]);
    link
}

#[test]
fn sha256_of_the_check_strings() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Some(sha256(b"abc").to_vec()), hex(abc));
    let long = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
    let message = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_eq!(Some(sha256(message).to_vec()), hex(long));
}
