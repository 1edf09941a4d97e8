//! A pair of images of any size: real firmware, edited by rule.
//!
//! Fed with real images; feeds `speed`, which shows how time and memory grow. The edits
//! are as dense in every size: about one in 8 KiB, by a generator with a fixed seed, so
//! that everybody measures the same pair.

/// Bytes between two edits, on average.
const APART: u64 = 8 << 10;

/// Numbers that only have to be the same everywhere (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    /// Below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

/// The old image: `images` one behind the other, `size` bytes of it. When they are used
/// up they come again with each byte value replaced by another (a different one each
/// time), so that nothing long repeats.
pub fn old_image(images: &[Vec<u8>], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size);
    let mut lap = 0u8;
    while out.len() < size && images.iter().any(|i| !i.is_empty()) {
        for image in images {
            let room = size - out.len();
            // An odd factor and a sum make a permutation of the byte values.
            let replaced = image.iter().take(room);
            let (factor, sum) = (lap.wrapping_mul(2).wrapping_add(1), lap.wrapping_mul(37));
            out.extend(replaced.map(|&b| b.wrapping_mul(factor).wrapping_add(sum)));
        }
        lap = lap.wrapping_add(1);
    }
    out
}

/// The new image: words changed, and a few bytes inserted or left out.
pub fn new_image(old: &[u8]) -> Vec<u8> {
    let mut numbers = Numbers(0x5eed);
    let mut out = Vec::with_capacity(old.len() + old.len() / 64);
    let mut at = 0usize;
    while at < old.len() {
        let next = old.len().min(at + 1 + numbers.below(2 * APART) as usize);
        out.extend_from_slice(&old[at..next]);
        at = next;
        match numbers.below(3) {
            0 => {
                for _ in 0..4 + 4 * numbers.below(16) {
                    out.push(numbers.below(256) as u8);
                }
            }
            1 => at = old.len().min(at + 4 + 4 * numbers.below(16) as usize),
            _ => {
                let end = old.len().min(at + 4);
                out.extend(
                    old[at..end]
                        .iter()
                        .map(|b| b ^ (1 + numbers.below(255)) as u8),
                );
                at = end;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_met_and_laps_differ() {
        let images = [vec![1u8, 2, 3], vec![4, 5]];
        let old = old_image(&images, 12);
        assert_eq!(old.len(), 12);
        assert_eq!(old[..5], [1, 2, 3, 4, 5]);
        assert_ne!(old[5..10], old[..5]);
        assert!(old_image(&[vec![]], 10).is_empty());
    }

    #[test]
    fn edits_are_the_same_everywhere_and_as_dense_in_every_size() {
        let old: Vec<u8> = (0..1u32 << 20)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        let new = new_image(&old);
        assert_eq!(new, new_image(&old));
        assert_ne!(new, old);
        let change = new.len().abs_diff(old.len());
        assert!(change < old.len() / 100, "{change}");
        // The first edits of a longer image are those of a shorter one.
        let shorter = new_image(&old[..100_000]);
        assert_eq!(shorter[..90_000], new[..90_000]);
    }
}
