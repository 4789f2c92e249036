//! What a registered target is called: `registered.UPSTREAM.INSTANCE`, a name that no written target may have.

use gatewright_proto::{Key, Kind};

/// The target of an instance.
pub fn key_of(upstream: &str, instance: &str) -> Key {
    let name = format!("{}{upstream}.{instance}", Key::REGISTERED);
    Key::new(Kind::Target, name)
}

/// The instance of a target that registered itself with this upstream.
pub fn instance_of<'a>(target: &'a str, upstream: &str) -> Option<&'a str> {
    let rest = target.strip_prefix(Key::REGISTERED)?;
    rest.strip_prefix(upstream)?.strip_prefix('.')
}

/// Whether it is a target that registered itself.
pub fn is_registered(key: &Key) -> bool {
    key.kind == Kind::Target && key.name.starts_with(Key::REGISTERED)
}

#[cfg(test)]
mod tests {
    use super::{instance_of, is_registered, key_of};

    #[test]
    fn an_instance_is_found_in_the_name_of_its_target() {
        let key = key_of("orders.v2", "10.0.0.7-80");
        assert_eq!(key.name, "registered.orders.v2.10.0.0.7-80");
        assert!(is_registered(&key));
        assert_eq!(instance_of(&key.name, "orders.v2"), Some("10.0.0.7-80"));
        assert_eq!(instance_of(&key.name, "orders.v"), None);
        assert_eq!(instance_of("orders", "orders"), None);
    }
}
