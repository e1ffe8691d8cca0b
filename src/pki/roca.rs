//! Whether an RSA modulus was made by the broken generator of CVE-2017-15361 (ROCA).
//!
//! That generator made primes of the form `k·M + (65537^a mod M)`, where `M` is the product of the
//! first primes. Their product is a power of 65537 modulo each of these, which of other moduli one in
//! a hundred million is.

/// The primes that every key size of that generator has in common.
const PRIMES: [u16; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a modulus, big-endian, has that form.
pub(super) fn is_roca(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| is_power(remainder(modulus, *prime), *prime))
}

fn remainder(number: &[u8], prime: u16) -> u16 {
    let prime = u32::from(prime);
    let remainder = number.iter().fold(0, |remainder, byte| ((remainder << 8) | u32::from(*byte)) % prime);
    u16::try_from(remainder).unwrap_or_default()
}

/// Whether some power of 65537 is `value` modulo `prime`.
fn is_power(value: u16, prime: u16) -> bool {
    let (base, modulus) = (65_537 % u32::from(prime), u32::from(prime));
    let powers = std::iter::successors(Some(1), |power| Some(power * base % modulus));
    powers.take(usize::from(prime)).any(|power| power == u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(number: &[u8], factor: u32) -> Vec<u8> {
        let mut product = Vec::new();
        let mut carry = 0_u64;
        for byte in number.iter().rev() {
            carry += u64::from(*byte) * u64::from(factor);
            product.push(carry.to_le_bytes()[0]);
            carry >>= 8;
        }
        while carry > 0 {
            product.push(carry.to_le_bytes()[0]);
            carry >>= 8;
        }
        product.reverse();
        product
    }

    #[test]
    fn a_power_of_the_generator_has_the_form_and_its_neighbours_have_not() {
        let power = (0..128).fold(vec![1], |number, _| times(&number, 65_537));
        assert_eq!(power.len() * 8, 2056);
        assert!(is_roca(&power));
        for factor in [3, 5, 7, 65_539] {
            assert!(!is_roca(&times(&power, factor)), "{factor}");
        }
    }
}
