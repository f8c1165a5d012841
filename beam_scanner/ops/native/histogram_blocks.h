/* Histograms of packed RGB by a positional population count; included once for each
 * instruction set, which defines
 *
 *   BLOCKS          the name of the function
 *   TARGET          the attribute that lets the compiler use the instructions
 *   VECTOR, BYTES   a vector of bytes, and how many it has
 *   LOAD, STORE, REPEAT (a table of 16 bytes in each lane), ZERO
 *   AND, ADD, SHIFT_RIGHT (of 16-bit words), LOOK_UP (in a table of 16 bytes)
 *   PARITY, MAJORITY of three vectors, bit by bit
 *
 * The upper four bits of a sample are its bin. Two tables turn them into one bit of
 * 16: a byte for bins 0 to 7, another for bins 8 to 15. In each position of a vector,
 * carry-save adders count how often each of these bits is set: `ones`, `twos`, `fours`
 * and `eights` hold the binary digits of eight counts at once, and every 16 vectors one
 * carry of 16 remains, which is added to counters of a byte.
 *
 * A sample's channel is its position modulo 3. No vector's size is a multiple of 3, so
 * vectors are taken three by three: the first of each three has the same channels in
 * the same positions, likewise the second and the third. */

/* Bits that are set in three vectors: their parity stays in *digit, their carry is
 * returned. */
TARGET static inline VECTOR FUNCTION(add)(VECTOR *digit, VECTOR a, VECTOR b) {
  const VECTOR carry = MAJORITY(*digit, a, b);
  *digit = PARITY(*digit, a, b);
  return carry;
}

/* Counts one of three vectors and one table, in 16 vectors from `samples` on. */
TARGET static inline VECTOR FUNCTION(sixteen)(const uint8_t *samples, VECTOR table,
                                              VECTOR digits[4]) {
  const VECTOR low = REPEAT(low_bits);
  VECTOR twos[2], fours[2], eights[2];
  for (int eight = 0; eight < 2; ++eight) {
    for (int four = 0; four < 2; ++four) {
      for (int two = 0; two < 2; ++two) {
        VECTOR bits[2];
        for (int one = 0; one < 2; ++one) {
          const int place = eight * 8 + four * 4 + two * 2 + one;
          const VECTOR found = LOAD(samples + place * 3 * BYTES);
          bits[one] = LOOK_UP(table, AND(SHIFT_RIGHT(found, 4), low));
        }
        twos[two] = FUNCTION(add)(&digits[0], bits[0], bits[1]);
      }
      fours[four] = FUNCTION(add)(&digits[1], twos[0], twos[1]);
    }
    eights[eight] = FUNCTION(add)(&digits[2], fours[0], fours[1]);
  }
  return FUNCTION(add)(&digits[3], eights[0], eights[1]);
}

/* Adds to counts[channel][bin], and gives how many samples were counted: a multiple of
 * 3; the rest is left. */
TARGET static int64_t BLOCKS(const uint8_t *samples, int64_t size,
                             int32_t counts[3][16]) {
  const int64_t block = 16 * 3 * BYTES;
  const VECTOR unit = REPEAT(first_bits);
  int64_t left = size / block, done = 0;
  while (left > 0) {
    /* A counter of a byte holds 255 carries. */
    const int64_t now = left < 255 ? left : 255;
    for (int part = 0; part < 3; ++part) {
      for (int half = 0; half < 2; ++half) {
        const VECTOR table = REPEAT(half ? upper_bins : lower_bins);
        VECTOR digits[4] = {ZERO, ZERO, ZERO, ZERO};
        VECTOR sixteens[8] = {ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO};
        for (int64_t i = 0; i < now; ++i) {
          const uint8_t *start = samples + done + i * block + part * BYTES;
          const VECTOR carry = FUNCTION(sixteen)(start, table, digits);
          for (int bit = 0; bit < 8; ++bit)
            sixteens[bit] = ADD(sixteens[bit], AND(SHIFT_RIGHT(carry, bit), unit));
        }
        uint8_t values[4][BYTES];
        for (int digit = 0; digit < 4; ++digit) STORE(values[digit], digits[digit]);
        for (int bit = 0; bit < 8; ++bit) {
          uint8_t of_sixteens[BYTES];
          uint16_t found[BYTES];
          STORE(of_sixteens, sixteens[bit]);
          /* Apart from the sums, so that the compiler makes vectors of it. */
          for (int place = 0; place < BYTES; ++place) {
            uint16_t count = (uint16_t)(16 * of_sixteens[place]);
            for (int digit = 0; digit < 4; ++digit)
              count += (uint16_t)(((values[digit][place] >> bit) & 1) << digit);
            found[place] = count;
          }
          for (int first = 0; first < 3; ++first) {
            int32_t sum = 0;
            for (int place = first; place < BYTES; place += 3) sum += found[place];
            counts[(part * BYTES + first) % 3][half * 8 + bit] += sum;
          }
        }
      }
    }
    done += now * block;
    left -= now;
  }
  return done;
}

#undef BLOCKS
#undef FUNCTION
#undef TARGET
#undef VECTOR
#undef BYTES
#undef LOAD
#undef STORE
#undef REPEAT
#undef ZERO
#undef AND
#undef ADD
#undef SHIFT_RIGHT
#undef LOOK_UP
#undef PARITY
#undef MAJORITY
