//! What is read of a request for conditions that few routes have: each thing once, and only where a
//! candidate asks for it.

use std::{cell::OnceCell, net::IpAddr};

use super::{
    Payload, Query,
    pairs::Pairs,
    payload::{Broken, json::Json, xml::Xml},
};

/// A request, read as far as was asked.
pub(super) struct Facts<'q> {
    pub(super) query: &'q Query<'q>,
    pub(super) client: IpAddr,
    pub(super) peer: IpAddr,
    parameters: OnceCell<Pairs<'q>>,
    cookies: OnceCell<Pairs<'q>>,
    form: OnceCell<Pairs<'q>>,
    json: OnceCell<Result<Json, Broken>>,
    xml: OnceCell<Result<Xml<'q>, Broken>>,
}

impl<'q> Facts<'q> {
    pub(super) fn of(query: &'q Query<'q>) -> Box<Self> {
        Box::new(Self {
            query,
            client: query.client.to_canonical(),
            peer: query.peer.to_canonical(),
            parameters: OnceCell::new(),
            cookies: OnceCell::new(),
            form: OnceCell::new(),
            json: OnceCell::new(),
            xml: OnceCell::new(),
        })
    }

    pub(super) fn parameters(&self) -> &Pairs<'q> {
        self.parameters
            .get_or_init(|| Pairs::of_form(self.query.query.unwrap_or_default().as_bytes()))
    }

    pub(super) fn cookies(&self) -> &Pairs<'q> {
        self.cookies
            .get_or_init(|| Pairs::of_cookies(self.query.headers))
    }

    pub(super) fn form(&self) -> &Pairs<'q> {
        self.form.get_or_init(|| Pairs::of_form(self.body()))
    }

    pub(super) fn json(&self) -> Result<&Json, Broken> {
        let json = self.json.get_or_init(|| Json::parse(self.body()));
        json.as_ref().map_err(|broken| *broken)
    }

    pub(super) fn xml(&self) -> Result<&Xml<'q>, Broken> {
        let xml = self.xml.get_or_init(|| Xml::parse(self.body()));
        xml.as_ref().map_err(|broken| *broken)
    }

    fn body(&self) -> &'q [u8] {
        match self.query.body {
            Payload::Whole(body) => body,
            Payload::None | Payload::Unread => b"",
        }
    }
}
