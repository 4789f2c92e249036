//! What can be written in files, and what is said of mistakes in them.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{Bundle, Files, Problems, read};
use crate::client::Mistake;

fn stdin(text: &str) -> anyhow::Result<Bundle> {
    let files = Files {
        paths: vec![PathBuf::from("-")],
    };
    read(&files, &mut text.as_bytes())
}

fn document(text: &str) -> Value {
    let bundle = stdin(text).unwrap();
    assert!(bundle.is_sound(), "{}", bundle.problems(&[]));
    bundle.document()
}

fn said(text: &str) -> String {
    stdin(text).unwrap().problems(&[]).to_string()
}

#[test]
fn children_under_their_parent_point_up_to_it() {
    let read = document(
        "services:
- name: s
  routes:
  - name: r
    plugins: [{name: p, type: cors}]
upstreams: [{name: u, targets: [{name: t, address: 'a:1'}]}]
consumers: [{name: c, credentials: [{name: k}], plugins: [{name: q}]}]
",
    );
    assert_eq!(read["routes"], json!([{"name": "r", "service": "s"}]));
    assert_eq!(read["targets"][0]["upstream"], "u");
    assert_eq!(read["credentials"][0]["consumer"], "c");
    assert_eq!(read["plugins"][0]["attach"], json!({"route": "r"}));
    assert_eq!(read["plugins"][1]["attach"], json!({"consumer": "c"}));
    assert_eq!(read["services"], json!([{"name": "s"}]));
}

#[test]
fn several_documents_and_json_are_read_and_empty_lists_are_nothing() {
    let read = document("routes: [{name: a}]\n---\nroutes:\n- name: b\nplugins:\n---\n");
    assert_eq!(read, json!({"routes": [{"name": "a"}, {"name": "b"}]}));
    assert_eq!(
        document("{\"routes\": [{\"name\": \"a\", \"strip_prefix\": true}]}")["routes"][0]["strip_prefix"],
        true
    );
    assert_eq!(document(""), json!({}));
}

#[test]
fn aliases_are_followed() {
    let read = document("routes:\n- {name: a, hosts: &hosts [x, y]}\n- {name: b, hosts: *hosts}\n");
    assert_eq!(read["routes"][1]["hosts"], json!(["x", "y"]));
}

#[test]
fn what_is_not_yaml_is_shown_with_line_and_column() {
    let error = stdin("routes:\n- name: [a\n").unwrap_err();
    let problems = error.downcast::<Problems>().unwrap().to_string();
    assert!(problems.starts_with("<stdin>:"), "{problems}");
}

#[test]
fn every_mistake_of_form_is_found_with_its_place() {
    let said = said(
        "routs: []
routes:
- name: a
  hosts: [x]
  hosts: [y]
- name: a
- 7
services: {name: s}
consumers:
- name: c
  credentials: [{name: k, consumer: d}]
",
    );
    for expected in [
        "<stdin>:1:1: unknown kind `routs`; did you mean `routes`?",
        "<stdin>:5:3: `hosts` is there twice",
        "<stdin>:6:9: route/a is there twice",
        "<stdin>:7:3: a route is an object",
        "<stdin>:8:1: services: must be a list",
        "<stdin>:11:27: `consumer` is another than",
        "6 mistakes",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn a_mistake_found_elsewhere_is_shown_where_it_was_made() {
    let bundle = stdin(
        "plugins:
- name: p
  settings:
    limits:
    - requests: ü
      per: 1m
  labels: {a.b/c: x}
- type: cors
",
    )
    .unwrap();
    let at = |resource: &str, field: &str| {
        let mistake = Mistake {
            resource: resource.to_owned(),
            field: field.to_owned(),
            reason: "wrong".to_owned(),
            ..Mistake::default()
        };
        let problems = bundle.problems(&[mistake]).to_string();
        problems.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        at("plugin/p", "settings.limits[0].requests"),
        "<stdin>:5:17: plugin/p: settings.limits[0].requests: wrong"
    );
    for (resource, field, place) in [
        ("plugin/p", "settings.limits[0].per", "6:12"),
        ("plugin/p", "settings.limits[0]", "5:7"),
        ("plugin/p", "settings.limits[0].burst", "5:7"),
        ("plugin/p", "settings", "3:3"),
        ("plugin/p", "labels.a.b/c", "7:19"),
        ("plugin/p", "attach", "2:9"),
        ("plugin/p", "", "2:9"),
        ("plugins[1]", "name", "8:3"),
    ] {
        let said = at(resource, field);
        assert!(said.starts_with(&format!("<stdin>:{place}: ")), "{said}");
    }
    assert_eq!(at("route/other", "service"), "route/other: service: wrong");
}

#[test]
fn an_excerpt_shows_the_line() {
    let bundle = stdin("routes:\n- name: a\n  hosts: [x]\n- name: a\n").unwrap();
    let rendered = bundle.problems(&[]).render(false);
    for expected in ["<stdin>:4:9", "name: a", "first here", "1 mistake"] {
        assert!(rendered.contains(expected), "{rendered}");
    }
}

#[test]
fn a_folder_is_read_file_by_file_in_order_of_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b.yaml"), "routes: [{name: b}]").unwrap();
    fs::write(
        folder.path().join("a.json"),
        "{\"routes\": [{\"name\": \"a\"}]}",
    )
    .unwrap();
    fs::write(folder.path().join("README.md"), "# no").unwrap();
    let files = Files {
        paths: vec![folder.path().to_owned()],
    };
    let bundle = read(&files, &mut std::io::empty()).unwrap();
    assert_eq!(
        bundle.document()["routes"],
        json!([{"name": "a"}, {"name": "b"}])
    );
    fs::write(folder.path().join("c.yml"), "routes: [{name: b}]").unwrap();
    let said = read(&files, &mut std::io::empty())
        .unwrap()
        .problems(&[])
        .to_string();
    assert!(
        said.contains("c.yml:1:17: route/b is there twice"),
        "{said}"
    );
    let files = Files {
        paths: vec![folder.path().join("nothing")],
    };
    assert!(read(&files, &mut std::io::empty()).is_err());
}
