//! Generates the contract's types, with serde and JSON schema on those that `resource.proto` needs, and the
//! table of kinds from the one list of them, the oneof of `Resource`.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use prost::Message as _;
use tonic_prost_build::Config;

// prost-types by the name that the descriptor set from protox has.
use protox::prost_reflect::{
    Cardinality, DescriptorPool, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
};

const PACKAGE: &str = "gatewright.v1";

/// The stream between the planes. Every other file of the package is of what an operator configures.
const DISCOVERY: &str = "discovery.proto";
/// What authorizers are asked, a contract of others.
const EXT_AUTHZ: &str = "ext_authz.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["resource.proto", DISCOVERY, EXT_AUTHZ], ["."])?;
    for file in files
        .file
        .iter()
        .filter(|it| !it.name().starts_with("google/"))
    {
        println!("cargo::rerun-if-changed={}", file.name());
    }
    let pool = DescriptorPool::decode(files.encode_to_vec().as_slice())?;
    let mut config = Config::new();
    config.btree_map(["."]);
    for kind in LARGE {
        config.boxed(format!("{PACKAGE}.Resource.resource.{kind}"));
    }
    config.bytes([".gatewright.v1.Update.body"]);
    for message in pool.all_messages() {
        if is_configured(&message.parent_file()) && !message.is_map_entry() {
            describe_message(&mut config, &message);
        }
    }
    for name in REPORTED {
        config.message_attribute(format!("{PACKAGE}.{name}"), REPORTED_SERDE);
    }
    for enumeration in pool.all_enums() {
        if is_configured(&enumeration.parent_file()) {
            config.enum_attribute(enumeration.full_name(), SERDE);
            config.enum_attribute(
                enumeration.full_name(),
                "#[serde(rename_all = \"snake_case\")]",
            );
        }
    }
    tonic_prost_build::configure().compile_fds_with_config(files, config)?;
    let resource = pool
        .get_message_by_name(&format!("{PACKAGE}.Resource"))
        .ok_or("no message Resource")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("kind.rs"), kinds(&resource)?)?;
    Ok(())
}

/// Whether a file is of what an operator configures.
fn is_configured(file: &FileDescriptor) -> bool {
    file.package_name() == PACKAGE && file.name() != DISCOVERY
}

/// What control planes show and share as JSON. Those of other versions read it: fields may be missing or
/// unknown.
const REPORTED: [&str; 8] = [
    "NodeReport",
    "CredentialUse",
    "KeySetState",
    "MissingSecret",
    "TargetHealth",
    "ServiceState",
    "StranglerState",
    "LegacyPath",
];
const REPORTED_SERDE: &str = "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default)]";

/// Kinds that are boxed, so that a small resource does not take their room.
const LARGE: [&str; 3] = ["service", "route", "upstream"];

/// Fields that are JSON in a string in protobuf, and the JSON itself in JSON.
const EMBEDDED: [&str; 3] = [
    "gatewright.v1.Plugin.settings",
    "gatewright.v1.KeySet.jwks",
    "gatewright.v1.FetchedKeys.jwks",
];

const SERDE: &str = "#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]";

fn describe_message(config: &mut Config, message: &MessageDescriptor) {
    let path = message.full_name();
    config.message_attribute(path, SERDE);
    if let Some(oneof) = message.oneofs().find(|oneof| !oneof.is_synthetic()) {
        // A message that is only a oneof is written as its form: `{"prefix": "/orders"}`.
        config.message_attribute(path, "#[serde(transparent)]");
        config.enum_attribute(oneof.full_name(), SERDE);
        config.enum_attribute(oneof.full_name(), "#[serde(rename_all = \"snake_case\")]");
        return;
    }
    config.message_attribute(path, "#[serde(default, deny_unknown_fields)]");
    for field in message.fields() {
        for attribute in attributes(&field) {
            config.field_attribute(field.full_name(), attribute);
        }
    }
}

fn attributes(field: &FieldDescriptor) -> Vec<String> {
    let optional = field.supports_presence();
    let mut list = Vec::new();
    let mut skip = |rule: &str| {
        list.push(format!("#[serde(skip_serializing_if = \"{rule}\")]"));
    };
    match (field.cardinality(), field.kind()) {
        (Cardinality::Repeated, _) if field.is_map() => {
            skip("std::collections::BTreeMap::is_empty")
        }
        (Cardinality::Repeated, _) => skip("Vec::is_empty"),
        _ if optional => skip("Option::is_none"),
        (_, Kind::String) if field.name() != "name" => skip("String::is_empty"),
        (_, Kind::Enum(_)) => skip("crate::json::is_first"),
        _ => {}
    }
    if EMBEDDED.contains(&field.full_name()) {
        list.push("#[serde(with = \"crate::json::embedded\")]".to_owned());
        list.push("#[schemars(with = \"crate::json::Settings\")]".to_owned());
    } else if let Kind::Enum(kind) = field.kind()
        && field.is_list()
    {
        let name = kind.name();
        list.push(format!(
            "#[serde(with = \"crate::json::Enumerations::<{name}>\")]"
        ));
        list.push(format!("#[schemars(with = \"Vec<{name}>\")]"));
    } else if let Kind::Enum(kind) = field.kind() {
        let name = kind.name();
        list.push(format!(
            "#[serde(with = \"crate::json::Enumeration::<{name}>\")]"
        ));
        list.push(format!("#[schemars(with = \"{name}\")]"));
    } else if field.name().ends_with("_at_ms") {
        list.push("#[serde(deserialize_with = \"crate::json::moment\")]".to_owned());
        list.push("#[schemars(with = \"Option<crate::json::Moment>\")]".to_owned());
    } else if field.name().ends_with("_ms") {
        list.push("#[serde(deserialize_with = \"crate::json::milliseconds\")]".to_owned());
        list.push("#[schemars(with = \"Option<crate::json::Milliseconds>\")]".to_owned());
    }
    list
}

/// `Kind` and what is done to a resource of any kind, one arm a kind.
fn kinds(resource: &MessageDescriptor) -> Result<String, std::fmt::Error> {
    let names: Vec<(String, String)> = resource
        .fields()
        .map(|field| {
            let Kind::Message(message) = field.kind() else {
                panic!("`{}` is not a message", field.full_name());
            };
            (field.name().to_owned(), message.name().to_owned())
        })
        .collect();
    let mut text = String::new();
    enumeration(&mut text, &names)?;
    text.push_str("impl Resource {\n");
    accessor(
        &mut text,
        &names,
        "/// Which kind it is.\npub const fn kind(&self) -> Kind",
        |ty| format!("Self::{ty}(_) => Kind::{ty}"),
    )?;
    accessor(
        &mut text,
        &names,
        "/// Its name, unique within its kind.\npub fn name(&self) -> &str",
        |ty| format!("Self::{ty}(it) => &it.name"),
    )?;
    accessor(
        &mut text,
        &names,
        "/// Its labels.\npub const fn labels(&self) -> &std::collections::BTreeMap<String, String>",
        |ty| format!("Self::{ty}(it) => &it.labels"),
    )?;
    accessor(
        &mut text,
        &names,
        "/// Whether it is in force.\npub fn enabled(&self) -> bool",
        |ty| format!("Self::{ty}(it) => it.enabled.unwrap_or(true)"),
    )?;
    accessor(
        &mut text,
        &names,
        "/// Its message, encoded: the canonical form that versions are taken of.\npub fn to_bytes(&self) -> bytes::Bytes",
        |ty| format!("Self::{ty}(it) => prost::Message::encode_to_vec(it).into()"),
    )?;
    accessor(
        &mut text,
        &names,
        "/// Its JSON, as the admin API shows it.\n///\n/// # Errors\n/// Settings that are not JSON, which only a resource that came over the stream can have.\npub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error>",
        |ty| format!("Self::{ty}(it) => serde_json::to_value(it)"),
    )?;
    text.push_str("}\n");
    dispatch(&mut text, &names)?;
    Ok(text)
}

fn enumeration(text: &mut String, names: &[(String, String)]) -> std::fmt::Result {
    text.push_str("/// A kind of resource.\n#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\npub enum Kind {\n");
    for (name, ty) in names {
        writeln!(text, "/// `{name}`\n{ty},")?;
    }
    text.push_str("}\nimpl Kind {\n/// Every kind, parents before children.\npub const ALL: &'static [Self] = &[");
    for (_, ty) in names {
        write!(text, "Self::{ty}, ")?;
    }
    text.push_str("];\n/// Its name, as `consumer_group`.\npub const fn as_str(self) -> &'static str { match self {\n");
    for (name, ty) in names {
        writeln!(text, "Self::{ty} => \"{name}\",")?;
    }
    text.push_str("} }\n/// Its name in paths and files, as `consumer_groups`.\npub const fn plural(self) -> &'static str { match self {\n");
    for (name, ty) in names {
        writeln!(text, "Self::{ty} => \"{name}s\",")?;
    }
    text.push_str("} }\n}\n");
    Ok(())
}

fn accessor(
    text: &mut String,
    names: &[(String, String)],
    signature: &str,
    arm: impl Fn(&str) -> String,
) -> std::fmt::Result {
    writeln!(text, "{signature} {{ match self {{")?;
    for (_, ty) in names {
        writeln!(text, "{},", arm(ty))?;
    }
    text.push_str("} }\n");
    Ok(())
}

fn dispatch(text: &mut String, names: &[(String, String)]) -> std::fmt::Result {
    text.push_str("impl Kind {\n/// Reads a resource of this kind from JSON; unknown fields are errors.\n///\n/// # Errors\n/// What serde found, without the path.\npub fn from_json<'de, D: serde::Deserializer<'de>>(self, json: D) -> Result<Resource, D::Error> { match self {\n");
    for (name, ty) in names {
        let boxed = boxed(name);
        writeln!(
            text,
            "Self::{ty} => <{ty} as serde::Deserialize>::deserialize(json){boxed}.map(Resource::{ty}),"
        )?;
    }
    text.push_str("} }\n/// Reads a resource of this kind from the stream; unknown fields are ignored.\n///\n/// # Errors\n/// Bytes that are not a message.\npub fn decode(self, bytes: &[u8]) -> Result<Resource, prost::DecodeError> { match self {\n");
    for (name, ty) in names {
        let boxed = boxed(name);
        writeln!(
            text,
            "Self::{ty} => <{ty} as prost::Message>::decode(bytes){boxed}.map(Resource::{ty}),"
        )?;
    }
    text.push_str("} }\n/// The JSON schema of this kind.\npub fn schema(self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema { match self {\n");
    for (_, ty) in names {
        writeln!(text, "Self::{ty} => generator.root_schema_for::<{ty}>(),")?;
    }
    text.push_str("} }\n}\n");
    Ok(())
}

fn boxed(kind: &str) -> &'static str {
    if LARGE.contains(&kind) {
        ".map(Box::new)"
    } else {
        ""
    }
}
