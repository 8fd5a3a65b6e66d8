//! The listing of adapters, and the choice among them.

use pilaster::Error;
use pilaster::device::{AdapterChoice, Device, DeviceConfig, Profile, ShaderMode, Verdict, adapters};

use super::support::{config, device};

#[test]
fn every_adapter_is_listed_with_its_verdict() {
    let listed = adapters();
    if device(Profile::Full, ShaderMode::Checked).is_none() {
        return assert!(listed.is_empty());
    }
    assert!(!listed.is_empty());
    assert!(listed.is_sorted_by_key(|report| report.software), "real ones come first");
    for (index, report) in listed.iter().enumerate() {
        assert_eq!(report.index, index);
        assert_ne!(report.litmus, Verdict::NotRun);
        assert_eq!(report.tier_name, report.tier.name());
    }
    let json = serde_json::to_value(&listed).expect("is serialisable");
    for field in ["name", "backend", "driver", "driver_version", "software", "tier", "litmus", "timestamps"] {
        assert!(!json[0][field].is_null(), "{field}: {json}");
    }
}

#[test]
fn adapters_are_chosen_by_name_and_position() {
    let Some(first) = device(Profile::Full, ShaderMode::Checked) else { return };
    let by = |adapter| Device::open(&DeviceConfig { adapter, ..config(Profile::Full, ShaderMode::Checked) });
    let part = first.name()[1..].to_uppercase();
    assert_eq!(by(AdapterChoice::Name(part)).expect("is found").name(), first.name());
    assert!(by(AdapterChoice::Index(0)).is_ok());
    for missing in [AdapterChoice::Name("no such adapter".into()), AdapterChoice::Index(1000)] {
        let refused = by(missing).expect_err("is not there");
        assert!(
            matches!(&refused, Error::Unsupported { what, .. } if what.contains(first.name())),
            "{refused}"
        );
    }
}
