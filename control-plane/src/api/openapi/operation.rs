//! One operation of the API's description.

use serde_json::{Map, Value, json};

/// One operation, as it is put together.
pub(super) struct Operation(Value);

impl Operation {
    /// One that needs a token and the database.
    pub(super) fn new(id: impl Into<String>, tag: &str, summary: &str) -> Self {
        let unauthorized = json!({"$ref": "#/components/responses/Unauthorized"});
        let unavailable = json!({"$ref": "#/components/responses/Unavailable"});
        Self(json!({
            "operationId": id.into(),
            "tags": [tag],
            "summary": summary,
            "parameters": [],
            "responses": {"401": unauthorized, "503": unavailable},
        }))
    }

    /// Takes these of the shared parameters.
    pub(super) fn takes(mut self, parameters: &[&str]) -> Self {
        let parameter = |name: &&str| json!({"$ref": format!("#/components/parameters/{name}")});
        self.0["parameters"] = parameters.iter().map(parameter).collect();
        self
    }

    /// Takes a body in any of these types.
    pub(super) fn takes_body(mut self, types: &[&str], schema: &Value, example: &Value) -> Self {
        let content = json!({"schema": schema, "example": example});
        let content = |media_type: &&str| ((*media_type).to_owned(), content.clone());
        let content: Map<String, Value> = types.iter().map(content).collect();
        self.0["requestBody"] = json!({"required": true, "content": content});
        self.fails(&[
            "BadRequest",
            "TooLarge",
            "UnsupportedContentType",
            "Invalid",
        ])
    }

    /// Answers with JSON.
    pub(super) fn answers(mut self, status: u16, schema: &Value) -> Self {
        let description = match status {
            201 => "Created",
            _ => "As asked",
        };
        self.0["responses"][status.to_string()] = json!({
            "description": description,
            "headers": {"Gatewright-Revision": {"$ref": "#/components/headers/Revision"}},
            "content": {"application/json": {"schema": schema}},
        });
        self
    }

    /// Answers without a body that is described.
    pub(super) fn answers_empty(mut self, status: u16, description: &str) -> Self {
        self.0["responses"][status.to_string()] = json!({"description": description});
        self
    }

    /// Tells the version with that status.
    pub(super) fn tells_version(mut self, status: u16) -> Self {
        self.0["responses"][status.to_string()]["headers"]["ETag"] =
            json!({"$ref": "#/components/headers/ETag"});
        self
    }

    /// May answer with these of the shared problems.
    pub(super) fn fails(mut self, responses: &[&str]) -> Self {
        for name in responses {
            let status = match *name {
                "BadRequest" => "400",
                "Forbidden" => "403",
                "NotFound" => "404",
                "Conflict" => "409",
                "Trimmed" => "410",
                "PreconditionFailed" => "412",
                "TooLarge" => "413",
                "UnsupportedContentType" => "415",
                "Invalid" => "422",
                _ => "504",
            };
            self.0["responses"][status] = json!({"$ref": format!("#/components/responses/{name}")});
        }
        self
    }

    /// Needs no token.
    pub(super) fn open_to_all(mut self) -> Self {
        self.0["security"] = json!([]);
        if let Some(responses) = self.0["responses"].as_object_mut() {
            responses.remove("401");
        }
        self
    }

    /// Its description.
    pub(super) fn done(self) -> Value {
        self.0
    }
}
