//! The end of a session, here and at the provider (OpenID Connect RP-Initiated Logout 1.0).

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::{Login, address, begin::see_other, event::Event, form};
use crate::{Code, Rejection, RequestContext, key_set::KeySet};

/// What has to be done for a browser that logs out.
pub(super) struct Leaving {
    response: Response<Bytes>,
    /// The token to revoke, where there is one.
    revoke: Option<(std::sync::Arc<KeySet>, String)>,
}

impl Login {
    /// What has to be done, if a page of this origin or a person asked for it.
    pub(super) fn leaving(&self, request: &RequestContext) -> Result<Leaving, Rejection> {
        if !matches!(request.method, Method::GET | Method::POST) {
            let rejection = Rejection::new(Code::MethodNotAllowed, "log out by GET or POST");
            let allow = HeaderValue::from_static("GET, POST");
            return Err(rejection.with_header(header::ALLOW, allow));
        }
        let origin = address::origin(self.origin.as_deref(), request);
        let origin = origin.filter(|origin| address::is_from(origin, request));
        let Some(origin) = origin else {
            let detail = "only pages of this site may log out; open it and log out there";
            return Err(Rejection::new(Code::CrossSite, detail));
        };
        // Without keys nobody gets in, but everybody gets out.
        let set = request.snapshot.key_sets.get(&self.key_set);
        let sent = self.cookies.session(&request.headers);
        let session = sent
            .and_then(|sent| self.open(&sent))
            .map(|held| held.session);
        let hint = session.as_ref().map(|session| &*session.id_token);
        let mut response = self.farewell(set.map(|set| &**set), hint, &origin)?;
        for (name, value) in self.cookies.unset_all(&request.headers) {
            response.headers_mut().append(name, value);
        }
        let token = session.and_then(|session| session.refresh_token);
        Ok(Leaving {
            response,
            revoke: set.cloned().zip(token),
        })
    }

    /// Where the browser goes.
    fn farewell(
        &self,
        set: Option<&KeySet>,
        hint: Option<&str>,
        origin: &str,
    ) -> Result<Response<Bytes>, Rejection> {
        let after = self.paths.after_logout.as_deref();
        let after = after.map(|path| format!("{origin}{path}"));
        if let (Some(url), Some(hint)) = (set.and_then(|it| self.provider.end_session(it)), hint) {
            let mut parameters = vec![
                ("client_id", &*self.provider.client_id),
                ("id_token_hint", hint),
            ];
            parameters.extend(
                after
                    .as_deref()
                    .map(|url| ("post_logout_redirect_uri", url)),
            );
            return see_other(&form::appended(url, &parameters));
        }
        if let Some(after) = after {
            return see_other(&after);
        }
        let mut response = Response::new(Bytes::from_static(b"You are logged out.\n"));
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Does it. The provider may take as long as for any other question, and changes nothing.
    pub(super) async fn leave(&self, leaving: Leaving) -> Response<Bytes> {
        if let Some((set, token)) = &leaving.revoke {
            self.provider.revoke(set, token).await;
        }
        self.events.count(Event::LoggedOut);
        leaving.response
    }
}
