//! Objects whose members keep their order, written one by one.

/// Writes the members of an object.
pub(crate) struct Object<'o> {
    pub(crate) out: &'o mut String,
    pub(crate) any: bool,
}

impl Object<'_> {
    /// Begins a member: its value is to follow.
    pub(crate) fn name(&mut self, name: &str) {
        if std::mem::replace(&mut self.any, true) {
            self.out.push(',');
        }
        self.out.push_str(&serde_json::Value::String(name.to_owned()).to_string());
        self.out.push(':');
    }

    /// Writes a member whose value is JSON already.
    pub(crate) fn member(&mut self, name: &str, json: &str) {
        self.name(name);
        self.out.push_str(json);
    }
}
