//! What a registered target is called: `registered.UPSTREAM.INSTANCE`, a name that no written target may have.
//!
//! Names may have dots. Those of the upstream are doubled, and no instance begins with one: so of the dots behind the
//! prefix, the first that is not one of a pair is where the instance begins, and no two instances share a name.

use gatewright_proto::{Key, Kind};

/// The target of an instance.
pub fn key_of(upstream: &str, instance: &str) -> Key {
    let upstream = upstream.replace('.', "..");
    let name = format!("{}{upstream}.{instance}", Key::REGISTERED);
    Key::new(Kind::Target, name)
}

/// Whether an instance may have this name; its length is that of its target's.
pub fn may_be_called(instance: &str) -> bool {
    !instance.starts_with('.')
}

/// The instance of a target that registered itself with this upstream.
pub fn instance_of<'a>(target: &'a str, upstream: &str) -> Option<&'a str> {
    let mut rest = target.strip_prefix(Key::REGISTERED)?;
    for (place, part) in upstream.split('.').enumerate() {
        let dots = if place == 0 { "" } else { ".." };
        rest = rest.strip_prefix(dots)?.strip_prefix(part)?;
    }
    rest.strip_prefix('.').filter(|it| may_be_called(it))
}

/// Whether it is a target that registered itself.
pub fn is_registered(key: &Key) -> bool {
    key.kind == Kind::Target && key.name.starts_with(Key::REGISTERED)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{instance_of, is_registered, key_of, may_be_called};

    #[test]
    fn an_instance_is_found_in_the_name_of_its_target() {
        let key = key_of("orders", "10.0.0.7-80");
        assert_eq!(key.name, "registered.orders.10.0.0.7-80");
        let key = key_of("orders.v2", "10.0.0.7-80");
        assert_eq!(key.name, "registered.orders..v2.10.0.0.7-80");
        assert!(is_registered(&key));
        assert_eq!(instance_of(&key.name, "orders.v2"), Some("10.0.0.7-80"));
        assert_eq!(instance_of(&key.name, "orders.v"), None);
        assert_eq!(instance_of(&key.name, "orders"), None);
        assert_eq!(instance_of("orders", "orders"), None);
    }

    /// All names of up to four of these characters, dots wherever they can be.
    #[test]
    fn no_two_instances_share_the_name_of_a_target() {
        let mut names = vec![String::new()];
        let mut begin = 0;
        for _ in 0..4 {
            let end = names.len();
            for place in begin..end {
                for character in ['a', 'b', '.'] {
                    names.push(format!("{}{character}", names[place]));
                }
            }
            begin = end;
        }
        names.remove(0);
        let mut seen = BTreeMap::new();
        for upstream in &names {
            for instance in names.iter().filter(|it| may_be_called(it)) {
                let name = key_of(upstream, instance).name;
                assert_eq!(instance_of(&name, upstream), Some(&**instance), "{name}");
                let other = seen.insert(name, (upstream, instance));
                assert_eq!(other, None, "{upstream} {instance}");
            }
        }
    }
}
