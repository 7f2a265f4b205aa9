//! A connection's life is several things one after another, and what each of them holds is gone once it is over: an arrival
//! holds much, and a connection that waits for its next request, which there are thousands of, is to hold little.

use std::pin::Pin;

/// What is done with a connection now.
pub enum Stage {
    /// It ends with what is to be done then, or with the connection.
    More(Pin<Box<dyn Future<Output = Option<Self>>>>),
    /// It ends with the connection.
    Last(Pin<Box<dyn Future<Output = ()>>>),
}

impl Stage {
    /// A stage that says what comes behind it.
    pub fn more(stage: impl Future<Output = Option<Self>> + 'static) -> Self {
        Self::More(Box::pin(stage))
    }

    /// A stage that nothing comes behind.
    pub fn last(stage: impl Future<Output = ()> + 'static) -> Self {
        Self::Last(Box::pin(stage))
    }

    /// This stage and all that come behind it.
    pub async fn run(mut self) {
        loop {
            self = match self {
                Self::Last(stage) => return stage.await,
                Self::More(stage) => match stage.await {
                    Some(next) => next,
                    None => return,
                },
            };
        }
    }
}

#[cfg(test)]
mod tests;
