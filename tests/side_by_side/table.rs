//! What both proxies did, side by side.

use std::fmt;

use crate::scene::{Line, Scene};

pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    scene: &'static str,
    what: String,
    weft: String,
    envoy: String,
    /// Where a difference is documented.
    documented: Option<&'static str>,
}

impl Table {
    /// `lines` are of each scene, before weft and before Envoy.
    pub(crate) fn of(scenes: &[Scene], lines: &[[Vec<Line>; 2]]) -> Self {
        let mut rows = Vec::new();
        for (scene, [weft, envoy]) in scenes.iter().zip(lines) {
            let only = envoy.iter().filter(|(what, _)| !weft.iter().any(|(other, _)| other == what));
            let only: Vec<Line> = only.map(|(what, _)| (what.clone(), String::new())).collect();
            for (what, seen) in weft.iter().chain(&only) {
                let other = envoy.iter().find(|(name, _)| name == what);
                let documented = scene.differs.iter().find(|(of, _)| of == what).map(|(_, why)| *why);
                rows.push(Row {
                    scene: scene.name,
                    what: what.clone(),
                    weft: seen.clone(),
                    envoy: other.map_or_else(String::new, |(_, seen)| seen.clone()),
                    documented,
                });
            }
        }
        Self { rows }
    }

    /// What differs and is documented nowhere, and what is documented and differs no more.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let wrong = |row: &Row| {
            let Row { scene, what, weft, envoy, documented } = row;
            match (weft == envoy, documented) {
                (false, None) => Some(format!("{scene}, {what}: weft {weft}\n    Envoy {envoy}")),
                (true, Some(why)) => {
                    Some(format!("{scene}, {what}: both {weft}; no difference any more: {why}"))
                }
                _ => None,
            }
        };
        self.rows.iter().filter_map(wrong).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row { scene, what, weft, envoy, documented } in &self.rows {
            writeln!(f, "{scene:12} {what:44} {weft}")?;
            if weft != envoy {
                writeln!(f, "{:12} {:>44} {envoy}", "", "Envoy")?;
                if let Some(why) = documented {
                    writeln!(f, "{:12} {:>44} {why}", "", "documented")?;
                }
            }
        }
        write!(f, "{} comparisons; what stands alone both did", self.rows.len())
    }
}
