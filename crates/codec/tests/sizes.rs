//! Types that are moved often stay small.

use deuteron_codec::{DecodeError, DeliveryState, DeliveryTag, Performative, Symbol, Value};

#[test]
fn sizes() {
    assert!(size_of::<Value>() <= 40, "Value has {} bytes", size_of::<Value>());
    assert!(size_of::<DeliveryState>() <= 24, "DeliveryState has {} bytes", size_of::<DeliveryState>());
    assert!(size_of::<Symbol>() <= 24, "Symbol has {} bytes", size_of::<Symbol>());
    assert_eq!(size_of::<DeliveryTag>(), 33);
    assert_eq!(size_of::<DecodeError>(), size_of::<usize>());
    assert!(size_of::<Performative>() <= 128, "Performative has {} bytes", size_of::<Performative>());
}
