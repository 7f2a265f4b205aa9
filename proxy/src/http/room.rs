//! Rooms for what serves one request after another.
//!
//! What serving a request holds is large, and a connection that waits for its next one needs none of it. So it is not part
//! of the connection's task: it has a room that the worker's requests use one after another. Nor is it moved about before it
//! begins, as what a task is made of is.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A room for what makes an `Out` of an `In`.
pub(super) trait Room<In, Out> {
    /// Begins.
    fn enter(&mut self, with: In);
    /// Goes on.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Out>;
    /// Leaves it, at whatever point.
    fn leave(&mut self);
}

/// A new room for the futures that `make` makes.
pub(super) fn room<In: 'static, Out: 'static, F: Future<Output = Out> + 'static>(
    make: fn(In) -> F,
) -> Box<dyn Room<In, Out>> {
    Box::new(Of { make, future: Box::pin(None) })
}

/// Lets `room` be used once, and hands it to `give_back` however that ends.
pub(super) fn used<In, Out>(
    mut room: Box<dyn Room<In, Out>>,
    with: In,
    give_back: fn(Box<dyn Room<In, Out>>),
) -> Used<In, Out> {
    room.enter(with);
    Used { room: Some(room), give_back }
}

/// A room for futures whose type has no name.
struct Of<In, F> {
    make: fn(In) -> F,
    future: Pin<Box<Option<F>>>,
}

impl<In, F: Future> Room<In, F::Output> for Of<In, F> {
    fn enter(&mut self, with: In) {
        self.future.set(Some((self.make)(with)));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = self.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let out = ready!(future.poll(cx));
        self.leave();
        Poll::Ready(out)
    }

    fn leave(&mut self) {
        self.future.set(None);
    }
}

/// What goes on in a room. It holds nothing but that: whoever waits for it stays small.
pub(super) struct Used<In, Out> {
    room: Option<Box<dyn Room<In, Out>>>,
    give_back: fn(Box<dyn Room<In, Out>>),
}

impl<In, Out> Future for Used<In, Out> {
    type Output = Out;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Out> {
        match &mut self.room {
            Some(room) => room.poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<In, Out> Drop for Used<In, Out> {
    fn drop(&mut self) {
        if let Some(mut room) = self.room.take() {
            room.leave();
            (self.give_back)(room);
        }
    }
}

#[cfg(test)]
mod tests;
