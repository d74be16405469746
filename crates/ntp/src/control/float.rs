//! The control protocol's own 32-bit float: 7 bits of exponent, 25 bits of coefficient, no hidden bit.
//!
//! The value is C · 2^(E − 25); E and C are two's complement, E in −64…63, C in −16777216…16777215.
//! About 24 bits of precision from 4·10⁻²⁸ to 4.6·10¹⁸; infinities saturate, NaN becomes zero.

const COEFFICIENT_BITS: i32 = 25;
const EXPONENT_MIN: i32 = -64;
const EXPONENT_MAX: i32 = 63;
/// Largest positive coefficient; a negative one may be larger by one.
const COEFFICIENT_MAX: i32 = (1 << 24) - 1;

/// The value that `bits` stand for.
pub fn decode(bits: u32) -> f64 {
    let bits = bits.cast_signed();
    let exponent = bits >> COEFFICIENT_BITS;
    let coefficient = (bits << 7) >> 7;
    libm::ldexp(f64::from(coefficient), exponent.wrapping_sub(COEFFICIENT_BITS))
}

/// The bits nearest to `value`, chosen as chrony chooses them.
pub fn encode(value: f64) -> u32 {
    let magnitude = value.abs();
    if value.is_nan() || magnitude < 1e-100 {
        return 0;
    }
    let negative = value < 0.0;
    let limit = if negative { COEFFICIENT_MAX.wrapping_add(1) } else { COEFFICIENT_MAX };
    let (mut exponent, mut coefficient) = if magnitude > 1e100 {
        (EXPONENT_MAX, limit)
    } else {
        // The conversion truncates towards zero, so that small values have a coefficient of 24 bits.
        let exponent = (libm::log2(magnitude) + 1.0) as i32;
        let scaled = libm::ldexp(magnitude, COEFFICIENT_BITS.wrapping_sub(exponent));
        (exponent, (scaled + 0.5) as i32)
    };
    while coefficient > limit {
        coefficient >>= 1;
        exponent = exponent.wrapping_add(1);
    }
    if exponent > EXPONENT_MAX {
        (exponent, coefficient) = (EXPONENT_MAX, limit);
    }
    if exponent < EXPONENT_MIN {
        let shift = EXPONENT_MIN.wrapping_sub(exponent);
        if shift > COEFFICIENT_BITS {
            return 0;
        }
        (exponent, coefficient) = (EXPONENT_MIN, coefficient >> shift);
    }
    let coefficient = if negative { coefficient.wrapping_neg() } else { coefficient };
    (exponent << COEFFICIENT_BITS | coefficient & 0x01ff_ffff).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bits_are_those_of_chrony() {
        let table = [
            (0.0, 0x0000_0000),
            (f64::NAN, 0x0000_0000),
            (1e-101, 0x0000_0000),
            (-1e-101, 0x0000_0000),
            (1.0, 0x0480_0000),
            (-1.0, 0x0300_0000),
            (0.5, 0x0280_0000),
            (123.456, 0x10f6_e979),
            (1e-9, 0xc889_705f),
            (-83333.333, 0x255d_3d56),
            (1e-26, 0x8000_0006),
            (1e-20, 0x805e_7284),
            (1e-27, 0x8000_0000),
            (8.1e-28, 0x8000_0000),
            (4.1e-28, 0x8000_0000),
            (4.0e-28, 0x0000_0000),
            (f64::INFINITY, 0x7eff_ffff),
            (1e100, 0x7eff_ffff),
            (f64::NEG_INFINITY, 0x7f00_0000),
            (-1e101, 0x7f00_0000),
        ];
        for (value, bits) in table {
            assert_eq!(encode(value), bits, "{value:e}: {:08x}", encode(value));
        }
    }

    #[test]
    fn extremes_decode() {
        assert_eq!(decode(0x8000_0000), 0.0);
        assert_eq!(decode(0x7eff_ffff), 16_777_215.0 * 2f64.powi(38));
        assert_eq!(decode(0x7f00_0000), -16_777_216.0 * 2f64.powi(38));
        assert_eq!(decode(0x0480_0000), 1.0);
        assert_eq!(decode(0x0300_0000), -1.0);
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_within_the_precision(mantissa in -1.0f64..1.0, exponent in -60i32..60) {
            let value = libm::ldexp(mantissa, exponent);
            prop_assert!((decode(encode(value)) - value).abs() <= value.abs() * 2f64.powi(-23) + 2f64.powi(-89));
        }

        #[test]
        fn what_was_decoded_encodes_to_the_same_value(bits in any::<u32>()) {
            let value = decode(bits);
            let again = decode(encode(value));
            // Coefficients with fewer than 24 bits at the smallest exponents lose what has no room there.
            prop_assert!((again - value).abs() <= 2f64.powi(-89) , "{value:e} {again:e}");
        }
    }
}
