//! Configuration files: YAML or JSON, one list a kind; plugins may stand under what they are attached to,
//! targets under their upstream, credentials under their consumer.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use gatewright_proto::Kind;
use serde_json::{Map, Value, json};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Reads a file, all `.yaml`, `.yml` and `.json` files of a folder, or standard input (`-`), into one
/// document of one list a kind.
///
/// # Errors
/// A file that cannot be read; broken YAML, with line and column; what is not a list of resources.
pub(crate) fn read(path: &Path) -> anyhow::Result<Value> {
    let mut lists = Map::new();
    for file in files(path)? {
        let named = file.display().to_string();
        let text = match named.as_str() {
            "-" => {
                let mut text = String::new();
                std::io::stdin().take(MAX_BYTES).read_to_string(&mut text)?;
                text
            }
            _ => {
                let size = fs::metadata(&file)
                    .with_context(|| format!("cannot read `{named}`"))?
                    .len();
                ensure!(size <= MAX_BYTES, "`{named}` is over 64 MiB");
                fs::read_to_string(&file).with_context(|| format!("cannot read `{named}`"))?
            }
        };
        let document: Value =
            serde_saphyr::from_str(&text).map_err(|error| anyhow::anyhow!("{named}: {error}"))?;
        merge(&mut lists, document, &named)?;
    }
    Ok(Value::Object(lists))
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("cannot read `{}`", path.display()))? {
        let file = entry?.path();
        let known = ["yaml", "yml", "json"].map(Some);
        if known.contains(&file.extension().and_then(|it| it.to_str())) {
            files.push(file);
        }
    }
    files.sort();
    ensure!(
        !files.is_empty(),
        "`{}` has no .yaml, .yml or .json file",
        path.display()
    );
    Ok(files)
}

fn merge(lists: &mut Map<String, Value>, document: Value, file: &str) -> anyhow::Result<()> {
    let fields = match document {
        Value::Object(fields) => fields,
        Value::Null => return Ok(()),
        _ => bail!("{file}: a document has one list a kind, as `routes: [...]`"),
    };
    for (plural, list) in fields {
        let Value::Array(items) = list else {
            bail!("{file}: {plural}: must be a list");
        };
        for mut item in items {
            lift(&plural, &mut item, lists);
            push(lists, &plural, item);
        }
    }
    Ok(())
}

/// Takes children out of their parent, and lets them point up to it.
fn lift(plural: &str, parent: &mut Value, lists: &mut Map<String, Value>) {
    let Ok(kind) = plural.parse::<Kind>() else {
        return;
    };
    let Some(fields) = parent.as_object_mut() else {
        return;
    };
    let name = fields.get("name").cloned().unwrap_or_default();
    let mut take = |children: &str, point: &dyn Fn(&mut Map<String, Value>)| {
        if let Some(Value::Array(items)) = fields.remove(children) {
            for mut item in items {
                if let Some(fields) = item.as_object_mut() {
                    point(fields);
                }
                push(lists, children, item);
            }
        }
    };
    let up = |field: &'static str| {
        let name = name.clone();
        move |child: &mut Map<String, Value>| {
            child.entry(field).or_insert(name.clone());
        }
    };
    match kind {
        Kind::Upstream => take("targets", &up("upstream")),
        Kind::Consumer => take("credentials", &up("consumer")),
        _ => {}
    }
    if matches!(
        kind,
        Kind::Service | Kind::Route | Kind::Consumer | Kind::ConsumerGroup
    ) {
        let attach = |child: &mut Map<String, Value>| {
            let to = json!({kind.as_str(): name});
            child.entry("attach").or_insert(to);
        };
        take("plugins", &attach);
    }
}

fn push(lists: &mut Map<String, Value>, plural: &str, item: Value) {
    let list = lists
        .entry(plural)
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(items) = list {
        items.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_under_their_parent_point_up_to_it() {
        let folder = std::env::temp_dir().join(format!("gatewright-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let text = "routes:\n- name: orders\n  service: s\n  plugins:\n  - name: key\n    type: key-auth\n\
                    consumers:\n- name: alice\n  credentials: [{name: laptop, key: secret-key}]\n";
        fs::write(folder.join("a.yaml"), text).unwrap();
        let document = read(&folder).unwrap();
        assert_eq!(document["plugins"][0]["attach"], json!({"route": "orders"}));
        assert_eq!(document["credentials"][0]["consumer"], "alice");
        assert!(document["routes"][0].get("plugins").is_none());
        fs::write(folder.join("b.yaml"), "routes:\n- name: [broken\n").unwrap();
        assert!(read(&folder).unwrap_err().to_string().contains("line"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
