//! Codes against a map, in every layout, at every length.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::*;
use crate::memory::Unlimited;

fn grant() -> Grant {
    Grant::new(Arc::new(Unlimited))
}

/// Values of every length around those where layouts and hashes change, which differ in one byte, in order of `seed`.
fn values(seed: u64) -> Vec<Vec<u8>> {
    let lengths = (0..40).chain([63, 64, 65, 1_000, 100_000]);
    let mut values: Vec<Vec<u8>> = lengths
        .flat_map(|length| {
            let plain = vec![b'a'; length];
            let changed = [0, 3, 4, 11, 12, length / 2, length.saturating_sub(1)].into_iter();
            let changed = changed.filter(move |&at| at < length).map(move |at| {
                let mut value = vec![b'a'; length];
                value[at] = b'b';
                value
            });
            std::iter::once(plain).chain(changed)
        })
        .collect();
    // What pads a short value is no part of it.
    values.extend([vec![0], vec![0, 0], vec![b'a', 0], vec![b'a', 0, 0]]);
    let mut state = seed | 1;
    values.sort_by_cached_key(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 20
    });
    values
}

fn check(interner: &mut Interner, known: &mut HashMap<Vec<u8>, u32>, array: &ArrayRef) {
    let mut grant = grant();
    let plain = cast(array, &DataType::LargeBinary).unwrap();
    let plain = plain.as_binary::<i64>();
    let nulls = array.nulls().cloned();
    let before = interner.len();
    let found = interner.array_codes(array, nulls.as_ref(), &mut Unseen::Left).unwrap();
    assert_eq!(interner.len(), before);
    let expected = |row: usize| match plain.is_valid(row) {
        true => known.get(plain.value(row)).map_or(before, |&code| code as usize) as i32,
        false => 0,
    };
    assert_eq!(found.to_vec(), (0..array.len()).map(expected).collect::<Vec<_>>(), "{}", array.data_type());
    let codes = interner.array_codes(array, nulls.as_ref(), &mut Unseen::Added(&mut grant)).unwrap();
    for (row, &code) in codes.iter().enumerate().filter(|(row, _)| plain.is_valid(*row)) {
        let next = known.len() as u32;
        assert_eq!(code as u32, *known.entry(plain.value(row).to_vec()).or_insert(next), "row {row}");
        assert_eq!(interner.value(code as usize), plain.value(row));
        assert_eq!(interner.code(plain.value(row), &mut grant).unwrap(), code as u32);
    }
    assert_eq!(interner.len(), known.len());
}

#[test]
fn every_layout_has_the_codes_of_a_map() {
    use DataType as D;
    let (mut interner, mut known) = (Interner::default(), HashMap::new());
    for (seed, layout) in
        [D::Utf8, D::LargeUtf8, D::Utf8View, D::Binary, D::LargeBinary, D::BinaryView].into_iter().enumerate()
    {
        let values = values(seed as u64);
        let some = values.iter().enumerate().map(|(row, value)| (row % 7 != seed).then_some(value));
        let binary: ArrayRef = Arc::new(LargeBinaryArray::from_iter(some));
        let array = cast(&cast(&binary, &D::LargeUtf8).unwrap(), &layout).unwrap();
        check(&mut interner, &mut known, &array.slice(20, 30));
        check(&mut interner, &mut known, &array.slice(3, array.len() - 3));
        check(&mut interner, &mut known, &array);
        check(&mut interner, &mut known, &array.slice(0, 0));
    }
    let fixed = FixedSizeBinaryArray::try_from_iter((0..1_000u16).map(|n| (n % 300).to_le_bytes())).unwrap();
    check(&mut interner, &mut known, &(Arc::new(fixed) as ArrayRef));
}

#[test]
fn many_values_keep_their_codes_while_the_table_grows() {
    let (mut interner, mut known) = (Interner::default(), HashMap::new());
    for from in 0..6 {
        let text = (from * 3_000..from * 3_000 + 9_000).map(|n| match n % 3 {
            0 => format!("id{n:010}"),
            1 => format!("{n}"),
            _ => format!("long enough not to be whole {n}"),
        });
        check(&mut interner, &mut known, &(Arc::new(StringArray::from_iter_values(text)) as ArrayRef));
    }
    assert_eq!(known.len(), 24_000);
}

/// Bytes beyond a short value of a view are no part of it; nor is what lies under a null any value.
#[test]
fn garbage_is_not_looked_at() {
    let packed = |bytes: &[u8; 2], rest: u8| {
        let mut view = [rest; 16];
        view[..4].copy_from_slice(&2u32.to_le_bytes());
        view[4..6].copy_from_slice(bytes);
        u128::from_le_bytes(view)
    };
    assert_eq!(packed::whole_view(packed(b"ab", 0xff)), packed::whole_view(packed(b"ab", 0)));
    assert_ne!(packed::whole_view(packed(b"ab", 0)), packed::whole_view(packed(b"ac", 0)));
    let text = StringArray::from(vec!["garbage", "a", "more garbage than fits a word"]);
    let (offsets, bytes, _) = text.into_parts();
    let nulls = Some(arrow::buffer::NullBuffer::from(vec![false, true, false]));
    let array: ArrayRef = Arc::new(StringArray::new(offsets, bytes, nulls.clone()));
    let mut interner = Interner::default();
    let mut grant = grant();
    let codes = interner.array_codes(&array, nulls.as_ref(), &mut Unseen::Added(&mut grant)).unwrap();
    assert_eq!((codes, interner.len()), (ScalarBuffer::from(vec![0, 0, 0]), 1));
    assert_eq!(interner.value(0), b"a");
}

/// Equal lengths, beginnings and hashes: only the bytes tell.
#[test]
fn equal_hashes_are_told_apart_by_bytes() {
    let (first, second) = ([b'a'; 20], [b'a'; 20].map(|byte| byte + 1));
    let mut interner = Interner::default();
    let packed = 20u128 | 7 << 64;
    let mut grant = grant();
    let mut settle =
        |value: &[u8]| interner.settle(packed, 5, value, &mut Unseen::Added(&mut grant)).unwrap();
    assert_eq!([settle(&first), settle(&second), settle(&first), settle(&second)], [0, 1, 0, 1]);
}
