//! From a document to XML. It goes as deep as the document, which is bounded.

use super::{ATTRIBUTE, Document, Mapping, TEXT, Untransformable, XSI, name};

pub(super) fn write(mapping: &Mapping, document: &Document) -> Result<Vec<u8>, Untransformable> {
    let mut writing = Writing {
        mapping,
        out: String::new(),
        pointer: String::new(),
    };
    match (document, &mapping.root) {
        (Document::Object(members), None) => match members.as_slice() {
            [(name, value)] if !matches!(value, Document::List(_)) => {
                writing.element(name, value)?
            }
            _ => return Err(writing.inexpressible("must have one member, or a root must be named")),
        },
        (Document::List(items), Some(root)) => {
            let items = Document::Object(vec![("item".into(), Document::List(items.clone()))]);
            writing.element(root, &items)?;
        }
        (value, Some(root)) => writing.element(root, value)?,
        (_, None) => {
            return Err(writing.inexpressible("must be an object, or a root must be named"));
        }
    }
    Ok(writing.out.into_bytes())
}

struct Writing<'m> {
    mapping: &'m Mapping,
    out: String,
    /// Where in the document.
    pointer: String,
}

impl Writing<'_> {
    fn element(&mut self, name: &str, value: &Document) -> Result<(), Untransformable> {
        let before = self.step(name);
        if !name::is_name(name) {
            return Err(self.inexpressible("the name cannot be that of an element"));
        }
        if let Document::List(items) = value {
            for (index, item) in items.iter().enumerate() {
                let inner = self.step(&index.to_string());
                if matches!(item, Document::List(_)) {
                    return Err(self.inexpressible("a list in a list has no name"));
                }
                self.single(name, item)?;
                self.pointer.truncate(inner);
            }
        } else {
            self.single(name, value)?;
        }
        self.pointer.truncate(before);
        Ok(())
    }

    fn single(&mut self, name: &str, value: &Document) -> Result<(), Untransformable> {
        self.out.push('<');
        self.out.push_str(name);
        match value {
            Document::Null => {
                self.out.push_str(" xsi:nil=\"true\" xmlns:xsi=\"");
                self.out.push_str(XSI);
                self.out.push_str("\"/>");
                return self.bounded();
            }
            Document::Object(members) => {
                for (name, value) in members {
                    if let Some(attribute) = name.strip_prefix(ATTRIBUTE) {
                        self.attribute(attribute, value)?;
                    }
                }
                let start = self.out.len();
                self.out.push('>');
                for (name, value) in members {
                    if &**name == TEXT {
                        self.scalar(name, value, false)?;
                    } else if !name.starts_with(ATTRIBUTE) {
                        self.element(name, value)?;
                    }
                }
                return self.end(name, start);
            }
            _ => {}
        }
        let start = self.out.len();
        self.out.push('>');
        self.text(value, false)?;
        self.end(name, start)
    }

    fn end(&mut self, name: &str, start: usize) -> Result<(), Untransformable> {
        if self.out.len() == start + 1 {
            self.out.truncate(start);
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
        self.bounded()
    }

    fn attribute(&mut self, name: &str, value: &Document) -> Result<(), Untransformable> {
        if !name::is_name(name) {
            return Err(self.inexpressible("has a name that cannot be that of an attribute"));
        }
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        self.scalar(name, value, true)?;
        self.out.push('"');
        Ok(())
    }

    fn scalar(
        &mut self,
        name: &str,
        value: &Document,
        quoted: bool,
    ) -> Result<(), Untransformable> {
        let before = self.step(name);
        self.text(value, quoted)?;
        self.pointer.truncate(before);
        Ok(())
    }

    fn text(&mut self, value: &Document, quoted: bool) -> Result<(), Untransformable> {
        let text = match value {
            Document::Bool(true) => "true",
            Document::Bool(false) => "false",
            Document::Number(text) | Document::Text(text) => text,
            Document::Null => "",
            Document::List(_) | Document::Object(_) => {
                return Err(self.inexpressible("must be text, a number, true, false or null"));
            }
        };
        for char in text.chars() {
            match char {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' if quoted => self.out.push_str("&quot;"),
                // Readers make other white space of these.
                '\r' => self.out.push_str("&#13;"),
                '\n' if quoted => self.out.push_str("&#10;"),
                '\t' if quoted => self.out.push_str("&#9;"),
                _ if name::is_char(char) => self.out.push(char),
                _ => return Err(self.inexpressible("has a character that XML has not")),
            }
        }
        self.bounded()
    }

    /// Goes to a member or an item; says where to come back to.
    fn step(&mut self, name: &str) -> usize {
        let before = self.pointer.len();
        self.pointer.push('/');
        self.pointer
            .push_str(&name.replace('~', "~0").replace('/', "~1"));
        before
    }

    fn bounded(&self) -> Result<(), Untransformable> {
        let most = self.mapping.max_bytes;
        match self.out.len() > most {
            true => Err(Untransformable::TooMuch {
                what: "bytes",
                most,
            }),
            false => Ok(()),
        }
    }

    fn inexpressible(&self, reason: &'static str) -> Untransformable {
        let at = self.pointer.clone();
        Untransformable::Inexpressible { at, reason }
    }
}
