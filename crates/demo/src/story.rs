//! A story from its beginning to its end, whoever looks on.

use std::{io, time::Duration};

use tokio::time::sleep;

use crate::{
    application::RATE,
    director::{Director, Turn, said},
    scenario::{Deed, Scenario},
    scene::Scene,
    summary::Summary,
    teller::{News, Teller, Who},
    text::Tone,
    world::{World, WorldError},
};

/// How often the cluster is looked at, by its own clock.
const LOOK: Duration = Duration::from_millis(200);

/// A story that is being told.
pub struct Story {
    scenario: &'static Scenario,
    world: World,
    director: Director,
    teller: Teller,
    /// Clients send requests, since the application was there.
    is_open: bool,
    /// What the releases did so far.
    pub summary: Summary,
}

/// What there is to see.
pub struct View<'a> {
    /// What is new.
    pub news: &'a [News],
    /// What the cluster shows.
    pub scene: &'a Scene,
    /// What people are about to do.
    pub then: Option<&'a str>,
}

/// Why a story isn't told to its end.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// Nobody can look on any more.
    #[error("nothing can be shown: {0}")]
    Show(#[from] io::Error),
    /// People can't do what they are to do.
    #[error(transparent)]
    World(#[from] WorldError),
    /// It comes to no end.
    #[error("the story came to a standstill")]
    Stuck,
}

impl Story {
    /// The story of a scenario, in a world that has just begun.
    pub fn new(scenario: &'static Scenario, world: World) -> Self {
        let (director, teller) = (Director::new(scenario), Teller::default());
        Self { scenario, world, director, teller, is_open: false, summary: Summary::default() }
    }

    /// Tells it to its end. True: every release ended as it has to.
    ///
    /// # Errors
    /// See [`StoryError`].
    pub async fn tell(
        &mut self,
        mut show: impl FnMut(&View<'_>) -> io::Result<()>,
    ) -> Result<bool, StoryError> {
        loop {
            match self.look(&mut show)? {
                Turn::Wait => {}
                Turn::Do(deed) => self.act(deed, &mut show)?,
                Turn::End => return Ok(self.summary.is(self.scenario.endings)),
                Turn::Stuck => return Err(StoryError::Stuck),
            }
            sleep(LOOK).await;
        }
    }

    /// Goes on looking, whatever happens, until nobody can look on any more.
    ///
    /// # Errors
    /// See [`StoryError`].
    pub async fn stay(
        &mut self,
        mut show: impl FnMut(&View<'_>) -> io::Result<()>,
    ) -> Result<(), StoryError> {
        loop {
            self.look(&mut show)?;
            sleep(LOOK).await;
        }
    }

    fn look(&mut self, show: &mut impl FnMut(&View<'_>) -> io::Result<()>) -> Result<Turn, StoryError> {
        self.world.check()?;
        let scene = self.world.scene();
        self.summary.follow(&scene);
        let turn = self.director.turn(&scene, self.summary.ended());
        let then = self.director.upcoming();
        let mut news = self.teller.news(&scene, then.as_deref());
        if !self.is_open && scene.rests() {
            self.is_open = true;
            self.world.open_traffic();
            news.push(by_you(&scene, format!("open the traffic: {RATE} requests a second")));
        }
        show(&View { news: &news, scene: &scene, then: then.as_deref() })?;
        Ok(turn)
    }

    fn act(
        &mut self,
        deed: Deed,
        show: &mut impl FnMut(&View<'_>) -> io::Result<()>,
    ) -> Result<(), StoryError> {
        let scene = self.world.scene();
        let news = by_you(&scene, said(deed));
        let then = self.director.upcoming();
        show(&View { news: &[news], scene: &scene, then: then.as_deref() })?;
        Ok(self.world.act(deed, &scene)?)
    }
}

fn by_you(scene: &Scene, text: String) -> News {
    News { at: scene.passed, who: Who::You, tone: Tone::Strong, text }
}
