//! Pages that contradict themselves: refused with their place, never a wrong value, a panic or a hang.

use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use pilaster::device::ShaderMode;
use pilaster_kernels::parquet::gpu::{DecodeError, Segment};
use pilaster_kernels::parquet::{DataPage, DictionaryPage, Encoding, Leaf, LevelBatch, Levels, Physical};
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{Random, choices};
use proptest::strategy::Strategy;

use super::super::backends::Gpu;
use super::{Case, case, decoded, encode};

const PLACE: u64 = 4711;

fn one_page(max_definition: u16, page: DataPage) -> Case {
    let leaf = Leaf {
        physical: Physical::Int32,
        data_type: DataType::Int32,
        max_definition,
        max_repetition: 0,
        slot_definition: 0,
        with_levels: false,
    };
    let good = DataPage {
        levels: 1,
        definition: match max_definition {
            0 => Levels::None,
            most => Levels::Hybrid(Buffer::from_vec(vec![2, most as u8])),
        },
        encoding: Encoding::Plain,
        values: Buffer::from_vec(vec![0u8; 4]),
        offset: 1,
        ..page.clone()
    };
    let values = Buffer::from_vec((0..5i32).collect::<Vec<_>>());
    let dictionary = Some(DictionaryPage { len: 5, values, offset: 0 });
    let segments = vec![Segment { dictionary, pages: vec![good, page] }];
    Case { leaf, segments, slots: vec![], levels: LevelBatch::default() }
}

fn page(encoding: Encoding, levels: usize, values: Vec<u8>) -> DataPage {
    DataPage {
        levels,
        nulls: None,
        repetition: Levels::None,
        definition: Levels::None,
        encoding,
        values: Buffer::from_vec(values),
        offset: PLACE,
    }
}

fn with_definition(page: DataPage, levels: Vec<u8>) -> DataPage {
    DataPage { definition: Levels::Hybrid(Buffer::from_vec(levels)), ..page }
}

fn refusal(gpu: &Gpu, case: &Case) -> String {
    match decoded(gpu, case) {
        Err(DecodeError::Malformed { place, malformed, .. }) => {
            assert_eq!(place, PLACE, "{malformed}");
            malformed.reason.into_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn contradictions_name_their_page() {
    let Some(gpu) = Gpu::open("contradictions_name_their_page", ShaderMode::Checked) else { return };
    let mut random = Random::new(3);
    let mut packed = vec![3];
    packed.extend(encode::hybrid(&[0, 1, 2, 3, 4, 5, 2, 1], 3, &mut random));
    let seven = [5u8, 3, 0x77, 0x77, 0x77];
    let cases = [
        (0, page(Encoding::Dictionary, 8, packed), "beyond the dictionary"),
        (0, page(Encoding::Dictionary, 8, seven.to_vec()), "beyond the dictionary"),
        (0, page(Encoding::Dictionary, 9, vec![3, 16, 5]), "a value of 5"),
        (0, page(Encoding::Dictionary, 9, vec![3, 16, 2]), "fewer values"),
        (0, page(Encoding::Dictionary, 2, vec![33, 4, 0, 0, 0, 0, 0]), "33 bits"),
        (0, page(Encoding::Plain, 3, vec![0; 11]), "fewer values"),
        (0, page(Encoding::ByteStreamSplit, 3, vec![0; 11]), "streams"),
        (0, page(Encoding::ByteStreamSplit, 3, vec![0; 8]), "fewer values"),
        (0, page(Encoding::DeltaBinaryPacked, 3, vec![0x80, 1, 3, 3, 0]), "miniblocks"),
        (0, page(Encoding::DeltaBinaryPacked, 3, vec![0x80, 1, 4, 3, 0, 0, 9, 9, 9, 9]), "cut off"),
        (0, page(Encoding::DeltaBinaryPacked, 3, vec![0x80, 1, 4, 3, 0, 0, 65, 9, 9, 9, 0, 0]), "65 bits"),
        (0, page(Encoding::DeltaBinaryPacked, 3, vec![0x80, 1, 4, 2, 0, 0, 0, 0, 0, 0]), "fewer values"),
        (1, with_definition(page(Encoding::Plain, 3, vec![0; 8]), vec![6, 1]), "fewer values"),
        (1, with_definition(page(Encoding::Plain, 3, vec![0; 12]), vec![4, 1]), "levels end early"),
        (2, with_definition(page(Encoding::Plain, 3, vec![0; 12]), vec![6, 3]), "a value of 3"),
        (1, page(Encoding::Plain, 3, vec![0; 12]), "without levels"),
    ];
    for (max_definition, page, reason) in cases {
        let found = refusal(&gpu, &one_page(max_definition, page));
        assert!(found.contains(reason), "{found}, expected: {reason}");
    }
    // Packed levels are seen by the device alone, which does not say in which page.
    let page = with_definition(page(Encoding::Plain, 8, vec![0; 32]), vec![3, 0xff, 0xff]);
    match decoded(&gpu, &one_page(2, page)) {
        Err(DecodeError::Malformed { malformed, .. }) => assert!(malformed.reason.contains("level")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pair_without_a_device_form_is_named() {
    let Some(gpu) = Gpu::open("a_pair_without_a_device_form_is_named", ShaderMode::Checked) else { return };
    let mut case = one_page(0, page(Encoding::DeltaLengthByteArray, 1, vec![]));
    let error = decoded(&gpu, &case).unwrap_err().to_string();
    assert!(error.contains("DeltaLengthByteArray") && error.contains("gpu"), "{error}");
    case.leaf.physical = Physical::Int96;
    let error = decoded(&gpu, &case).unwrap_err().to_string();
    assert!(error.contains("Int96") && error.contains("gpu"), "{error}");
}

/// Bytes changed at random: an answer or a refusal.
#[test]
fn spoiled_pages_end() {
    let Some(gpu) = Gpu::open("spoiled_pages_end", ShaderMode::Checked) else { return };
    let spoiled = choices(60).prop_map(|mut choices| {
        let mut case = case(&mut choices, 300);
        let mut random = Random::new(choices.seed());
        for page in case.segments.iter_mut().flat_map(|segment| &mut segment.pages) {
            page.values = spoil(&page.values, &mut random);
            if let Levels::Hybrid(levels) = &page.definition {
                page.definition = Levels::Hybrid(spoil(levels, &mut random));
            }
        }
        case
    });
    check("spoiled pages, GPU", 200, &spoiled, |case| match decoded(&gpu, case) {
        Ok(_) | Err(DecodeError::Malformed { .. }) => Ok(()),
        Err(DecodeError::Other(error)) => Err(error.to_string()),
    });
}

fn spoil(bytes: &Buffer, random: &mut Random) -> Buffer {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len() as u64) as usize;
        if let Some(byte) = bytes.get_mut(at) {
            *byte = random.bits() as u8;
        }
    }
    if random.percent(20) {
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
    }
    Buffer::from_vec(bytes)
}
