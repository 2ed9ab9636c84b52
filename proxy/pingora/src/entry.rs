//! What happens to a request before it goes anywhere: what is at its address, whether it may come in, and
//! what it asks for.

use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::Asked;
use pingora::Result;
use pingora_proxy::Session;

use crate::body::Unread;
use crate::course::key_name;
use crate::ctx::Ctx;
use crate::gateway::Gateway;
use crate::route::{Place, Route};
use crate::task::Task;
use crate::{chat, edge, local, pass, reply, route};

impl Gateway {
    /// Finds out what is asked for, and where it may go. True if it has been answered.
    pub(crate) async fn enter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        session.set_write_timeout(Some(ctx.snapshot.plan.limits.write_timeout));
        // Each piece of a body has its deadline from `body`; Pingora's would be a second one.
        session.set_read_timeout(None);
        ctx.request_id = route::request_id(session.req_header());
        let path = session.req_header().uri.path().to_owned();
        let method = session.req_header().method.clone();
        ctx.ingress = route::dialect(&path, session.req_header());
        if let Err(failure) = edge::check_header(session, &ctx.snapshot.plan.limits) {
            return self.refuse(session, ctx, failure).await.map(|()| true);
        }
        let Some(route) = route::find(&path) else {
            let path = path.clone();
            return self.refuse(session, ctx, Failure::PathUnknown { path }).await.map(|()| true);
        };
        let Route { pattern, methods, allowed, place, ref model, stream } = route;
        ctx.route = pattern;
        if !methods.contains(&method) {
            let method = method.to_string();
            let failure = Failure::MethodNotAllowed { path: path.clone(), method, allowed };
            return self.refuse(session, ctx, failure).await.map(|()| true);
        }
        if !place.is_open() {
            match chat::identify(session, &ctx.snapshot) {
                Ok(caller) => ctx.caller = caller,
                Err(failure) => {
                    return self.refuse(session, ctx, failure).await.map(|()| true);
                }
            }
        }
        match place {
            // Before the body is read: what is turned away costs little.
            Place::Ask(task) => match edge::check_load(&self.metrics, &ctx.snapshot.plan.limits) {
                Ok(()) => {
                    let asked = Asked { model: model.as_deref(), stream, query: "" };
                    self.ask(session, ctx, (task, asked)).await
                }
                Err(failure) => self.refuse(session, ctx, failure).await.map(|()| true),
            },
            Place::Alive | Place::Ready | Place::Models | Place::Model => {
                self.local(session, ctx, place, &path).await
            }
        }
    }

    async fn ask(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        asked: (Task, Asked<'_>),
    ) -> Result<bool> {
        let heartbeats = self.metrics.routing.heartbeats();
        let read = match asked.0 {
            Task::Pass(endpoint) => pass::read(session, ctx, endpoint, heartbeats).await,
            Task::Chat | Task::Count(_) | Task::Embed(_) => {
                chat::read(session, ctx, asked, heartbeats).await
            }
        };
        match read {
            Ok(()) => {
                let now = ctx.now();
                self.router.count(key_name(&ctx.caller), now);
                Ok(false)
            }
            Err(Unread::Refused(failure)) => {
                self.refuse(session, ctx, failure).await.map(|()| true)
            }
            Err(Unread::Gone(error)) => Err(error.into_down()),
        }
    }

    async fn local(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        place: Place,
        path: &str,
    ) -> Result<bool> {
        let id = &ctx.request_id;
        let answer = match place {
            Place::Alive => {
                reply::text(session, "ok\n", id).await?;
                return Ok(true);
            }
            Place::Ready if !session.is_process_shutting_down() => {
                reply::text(session, "ready\n", id).await?;
                return Ok(true);
            }
            Place::Ready => Err(Failure::ShuttingDown),
            Place::Model => local::model(&ctx.snapshot, ctx.ingress, path),
            Place::Models => Ok(local::models(&ctx.snapshot, ctx.ingress)),
            Place::Ask(_) => Err(Failure::Internal),
        };
        match answer {
            Ok(body) => reply::json(session, ctx.ingress.dialect(), body, id).await?,
            Err(failure) => self.refuse(session, ctx, failure).await?,
        }
        Ok(true)
    }
}
