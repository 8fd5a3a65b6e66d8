use super::*;
use crate::parquet::bits::tests::thinned;

/// Lengths around the sizes of the copies.
const LENGTHS: [usize; 15] = [0, 1, 2, 12, 15, 16, 17, 31, 48, 63, 64, 65, 80, 200, 3];

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

fn room(before: &[u8], total: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(before.len() + total + WIDE);
    data.extend_from_slice(before);
    data
}

#[test]
fn values_lie_one_behind_another() {
    let bytes = bytes(1000);
    for shift in 0..LENGTHS.len() {
        let lengths = (0..LENGTHS.len()).map(|at| LENGTHS[(at + shift) % LENGTHS.len()]);
        // From the front, from the back to the last byte, and in between.
        let places: Vec<(usize, usize)> = lengths
            .enumerate()
            .map(|(at, length)| ([0, 1000 - length, 37 * at][at % 3].min(1000 - length), length))
            .collect();
        let total: usize = places.iter().map(|(_, length)| length).sum();
        let mut data = room(b"before", total);
        assert!(append_values(&mut data, &bytes, places.iter().copied(), total));
        let mut expected = b"before".to_vec();
        places.iter().for_each(|&(start, length)| expected.extend(&bytes[start..start + length]));
        assert_eq!(data, expected);
    }
}

#[test]
fn places_beyond_the_bytes_are_refused() {
    let bytes = bytes(100);
    for place in [(0, 101), (100, 1), (50, 51), (usize::MAX, 1), (1, usize::MAX)] {
        let mut data = room(b"before", 300);
        assert!(!append_values(&mut data, &bytes, [(3, 5), place].into_iter(), 300), "{place:?}");
        assert_eq!(data, b"before");
    }
    let mut data = room(b"", 9);
    assert!(!append_values(&mut data, &bytes, [(0, 5), (0, 5)].into_iter(), 9));
    assert!(append_values(&mut data, &bytes, [(0, 5), (0, 4)].into_iter(), 9));
}

#[test]
fn prefixes_come_from_the_value_before() {
    for seed in thinned(13, 0..200usize) {
        let mut before = bytes(LENGTHS[seed % LENGTHS.len()]);
        let mut data_before = b"other".to_vec();
        data_before.extend(&before);
        let (mut lengths, mut suffixes, mut expected) = (Vec::new(), Vec::new(), data_before.clone());
        let previous = before.len();
        for step in 0..20 {
            let shared = LENGTHS[(seed * 7 + step * 3) % LENGTHS.len()].min(before.len());
            let suffix = bytes(LENGTHS[(seed + step * 5) % LENGTHS.len()]);
            lengths.push((shared, suffix.len()));
            before.truncate(shared);
            before.extend(suffix.iter().map(|byte| byte ^ step as u8));
            suffixes.extend(&before[shared..]);
            expected.extend(&before);
        }
        let total = expected.len() - data_before.len();
        let mut data = room(&data_before, total);
        assert!(append_shared(&mut data, previous, &suffixes, lengths.iter().copied(), total));
        assert_eq!(data, expected, "seed {seed}");
        for (wrong, total) in [((previous + 1, 0), 500), ((0, suffixes.len() + 1), 9000), ((0, 9), 8)] {
            let mut data = room(&data_before, total);
            assert!(!append_shared(&mut data, previous, &suffixes, [wrong].into_iter(), total));
            assert_eq!(data, data_before);
        }
    }
}

#[test]
fn words_come_from_any_place() {
    let bytes = bytes(100);
    for from in 0..9 {
        let mut out = vec![7u64];
        append_words(&mut out, &bytes[from..]);
        let expected = bytes[from..].as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
        assert!(out.iter().copied().eq([7].into_iter().chain(expected)));
        append_words(&mut out, &[]);
        assert_eq!(out.len(), 1 + (100 - from) / 8);
    }
}

#[test]
fn entries_by_index() {
    let bytes = bytes(400);
    for longest in [0, 1, 15, 16, 17, 32, 33, 64, 65, 200] {
        // The last one ends where the bytes do.
        let places: Vec<Place> = (0..=longest)
            .map(|length| Place { start: ((length * 31) % 200) as u32, length: length as u32 })
            .chain([Place { start: (400 - longest) as u32, length: longest as u32 }])
            .collect();
        let entries = Entries::new(&bytes, places.clone()).unwrap();
        assert_eq!(entries.bound(7), (longest <= WIDE).then_some(7 * longest));
        let indices: Vec<u32> = (0..100).map(|i| (i * 37 % places.len()) as u32).collect();
        let room_for = entries.bound(100).unwrap_or_else(|| entries.total(&indices));
        let (mut data, mut lengths) = (room(b"before", room_for), vec![9]);
        append_entries(&mut data, &mut lengths, &entries, &indices);
        append_entries(&mut data, &mut lengths, &entries, &[]);
        let (mut expected, mut expected_lengths) = (b"before".to_vec(), vec![9]);
        for &index in &indices {
            let Place { start, length } = places[index as usize];
            expected.extend(&bytes[start as usize..(start + length) as usize]);
            expected_lengths.push(length);
        }
        assert_eq!(data, expected, "{longest}");
        assert_eq!(lengths, expected_lengths);
    }
    assert!(Entries::new(&bytes, vec![Place { start: 390, length: 11 }]).is_none());
    assert_eq!(Entries::new(&[], vec![]).unwrap().len(), 0);
}

#[test]
#[should_panic]
fn an_index_past_the_entries_is_refused() {
    let entries = Entries::new(b"value", vec![Place { start: 0, length: 5 }]).unwrap();
    append_entries(&mut room(b"", 100), &mut vec![], &entries, &[0, 1]);
}
