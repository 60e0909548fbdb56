//! Content on real folders: what goes live, what stays out, and that every way of changing files is noticed.
//!
//! The entries here answer only to their exact phrases, so nothing depends on how the matcher weighs words.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use purser::content::{Content, ContentError, Folders, Good, Loaded, Reading, Snapshot, load, put_back};
use purser::responders::faq::{Faq, schema};
use purser::responders::{Answer, Responder, Turn};
use purser::store::Store;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Far more than a change ever takes to be noticed; a test that waits for it fails.
const LONG: Duration = Duration::from_secs(60);

/// A folder with content.
struct Site {
    dir: TempDir,
}

impl Site {
    /// A site with these files: path below the folder, text.
    fn new(files: &[(&str, &str)]) -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        files.iter().for_each(|(path, text)| site.write(path, text));
        site
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Makes a file look as if it had been changed so many seconds ago.
    fn age(&self, path: &str, seconds: u64) {
        let file = fs::File::options().write(true).open(self.path(path)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    fn folders(&self) -> Folders {
        Folders {
            faq: self.path("faq"),
            plugins: self.path("plugins"),
            site_language: "en".to_owned(),
            pipeline: ["faq", "plugins", "person"].map(str::to_owned).to_vec(),
            limit: Duration::from_secs(8),
        }
    }

    fn load(&self, good: Option<&Snapshot>) -> Loaded {
        let good = good.map(|good| Good { files: good.files.clone(), plugins: good.plugins.clone() });
        load(&self.folders(), &good.unwrap_or_default())
    }

    /// What is wrong, one finding a line, without the folder's name.
    fn wrong(&self, loaded: &Loaded) -> String {
        let prefix = format!("{}/", self.dir.path().display());
        loaded.findings.iter().map(|finding| finding.one_line().replace(&prefix, "") + "\n").collect()
    }

    fn held(&self, loaded: &Loaded) -> Vec<String> {
        let prefix = format!("{}/", self.dir.path().display());
        loaded.held.iter().map(|file| file.replace(&prefix, "")).collect()
    }
}

/// A file with entries that answer to exactly one question each: id, question, answer.
fn yaml(entries: &[(&str, &str, &str)]) -> String {
    let entry = |(id, phrase, answer): &(&str, &str, &str)| {
        format!("  - id: {id}\n    match: exact\n    phrases: [{phrase}]\n    answer: {answer}\n")
    };
    format!("language: en\nentries:\n{}", entries.iter().map(entry).collect::<String>())
}

/// What a set answers; "-" if nothing.
async fn ask(snapshot: &Snapshot, text: &str) -> String {
    let turn = Turn {
        text: text.into(),
        choice: None,
        languages: vec!["en".into()],
        visitor: Arc::default(),
        now: 0,
        ..Turn::default()
    };
    match Faq::new(snapshot.faq.clone()).respond(&turn).await.unwrap() {
        Answer::Reply(reply) => reply.text.as_ref().to_owned(),
        _ => "-".to_owned(),
    }
}

/// Content that follows its folders.
struct Live {
    content: Arc<Content>,
    swaps: mpsc::UnboundedReceiver<Arc<Snapshot>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Live {
    async fn start(site: &Site) -> Live {
        Live::start_on(site.folders(), None).await.unwrap()
    }

    async fn start_on(folders: Folders, store: Option<Store>) -> Result<Live, ContentError> {
        Live::start_of(Reading::begin(folders), store).await
    }

    async fn start_of(reading: Reading, store: Option<Store>) -> Result<Live, ContentError> {
        let (send, mut swaps) = mpsc::unbounded_channel();
        let on_swap = move |snapshot| {
            let _ = send.send(snapshot);
        };
        let content = Content::start(reading, store, on_swap).await?;
        let first = swaps.try_recv().expect("on_swap is called before start returns");
        assert_eq!(first.revision, content.in_force().revision);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(content.clone().watch(stop.clone()));
        tasks.close();
        Ok(Live { content, swaps, stop, tasks })
    }

    /// Waits until the question is answered like this.
    async fn answers(&mut self, text: &str, expected: &str) {
        let seen = async {
            loop {
                let answer = ask(&self.content.in_force(), text).await;
                if answer == expected {
                    break;
                }
                self.swaps.recv().await.unwrap();
            }
        };
        let in_time = tokio::time::timeout(LONG, seen).await;
        assert!(
            in_time.is_ok(),
            "{text:?} is answered {:?}, not {expected:?}",
            ask(&self.content.in_force(), text).await
        );
    }

    /// Waits until a finding says this.
    async fn finds(&self, part: &str) {
        let seen = async {
            while !self.content.findings().iter().any(|finding| finding.one_line().contains(part)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(LONG, seen).await;
        assert!(in_time.is_ok(), "{part:?} is not among {:?}", self.content.findings());
    }

    async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

#[tokio::test]
async fn a_file_that_does_not_parse_keeps_its_last_good_version() {
    let site = Site::new(&[("faq/a.yaml", &yaml(&[("a", "one", "A1")])), ("faq/b.yaml", &yaml(&[("b", "two", "B1")]))]);
    let good = site.load(None).snapshot.unwrap();

    site.write("faq/a.yaml", &yaml(&[("a", "one", "A2")]));
    site.write("faq/b.yaml", "language: en\nentries:\n  - id: b\n    phrase: [two]\n    answer: B2\n");
    site.write("faq/c.yaml", "language: en\nentries: oops: no\n");
    let loaded = site.load(Some(&good));
    assert_eq!(
        site.wrong(&loaded),
        "faq/b.yaml:3:5: the key `phrases` is missing\n\
         faq/b.yaml:4:5: unknown key `phrase` (did you mean `phrases`?)\n\
         faq/c.yaml:2:14: a colon in a text that is not in quotes (put the text in quotes: entries: 'oops: no')\n"
    );
    assert_eq!(site.held(&loaded), ["faq/b.yaml", "faq/c.yaml"]);
    let mixed = loaded.snapshot.unwrap();
    assert_eq!((ask(&mixed, "one").await, ask(&mixed, "two").await), ("A2".to_owned(), "B1".to_owned()));
    assert_eq!(mixed.files["faq/b.yaml"], good.files["faq/b.yaml"]);
    assert!(!mixed.files.contains_key("faq/c.yaml"));
    assert_ne!(mixed.revision, good.revision);

    site.write("faq/b.yaml", &yaml(&[("b", "two", "B2")]));
    fs::remove_file(site.path("faq/c.yaml")).unwrap();
    let loaded = site.load(Some(&mixed));
    assert_eq!(site.wrong(&loaded), "");
    assert_eq!(ask(&loaded.snapshot.unwrap(), "two").await, "B2");
}

#[tokio::test]
async fn the_newest_change_that_breaks_the_set_is_held_back_and_the_others_go_live() {
    let site = Site::new(&[
        ("faq/a.yaml", &yaml(&[("a", "one", "A1")])),
        ("faq/b.yaml", &yaml(&[("b", "two", "B1")])),
        ("faq/c.yaml", &yaml(&[("c", "three", "C1")])),
    ]);
    let good = site.load(None).snapshot.unwrap();

    // Two files claim the same name; the older change has it.
    site.write("faq/a.yaml", &yaml(&[("a", "one", "A2"), ("d", "four", "of a")]));
    site.age("faq/a.yaml", 1);
    site.write("faq/b.yaml", &yaml(&[("b", "two", "B2"), ("d", "four", "of b")]));
    site.age("faq/b.yaml", 9);
    site.write("faq/c.yaml", &yaml(&[("c", "three", "C2")]));
    let loaded = site.load(Some(&good));
    assert_eq!(site.held(&loaded), ["faq/a.yaml"]);
    let wrong = site.wrong(&loaded);
    let expected =
        "faq/b.yaml:7:9: two entries of `en` are called `d`, see faq/a.yaml:7:9 (give one of them another name)\n";
    assert_eq!(wrong, expected);
    let live = loaded.snapshot.unwrap();
    let answers =
        (ask(&live, "one").await, ask(&live, "two").await, ask(&live, "three").await, ask(&live, "four").await);
    assert_eq!(answers, ("A1".to_owned(), "B2".to_owned(), "C2".to_owned(), "of b".to_owned()));

    // A sample that fails in a file that nobody touched is the fault of the change that came between.
    let sampled = yaml(&[("a", "one", "A1")]) + "    ask: [ONE!]\n";
    let site = Site::new(&[("faq/a.yaml", &sampled), ("faq/b.yaml", &yaml(&[("b", "two", "B1")]))]);
    let good = site.load(None).snapshot.unwrap();
    site.write("faq/b.yaml", &(yaml(&[("b", "one", "B2")]) + "    priority: 5\n"));
    site.write("faq/c.yaml", &yaml(&[("c", "three", "C1")]));
    let loaded = site.load(Some(&good));
    assert_eq!(site.held(&loaded), ["faq/b.yaml"], "{}", site.wrong(&loaded));
    assert!(
        site.wrong(&loaded).contains("faq/a.yaml:7:11: `b` answers this with 1.00; `a` has 0.00, see faq/b.yaml:5:15")
    );
    let live = loaded.snapshot.unwrap();
    assert_eq!((ask(&live, "one").await, ask(&live, "three").await), ("A1".to_owned(), "C1".to_owned()));
}

#[tokio::test]
async fn changes_that_need_each_other_go_live_together_in_whatever_order_they_come() {
    let site = Site::new(&[
        ("faq/a.yaml", &yaml(&[("a", "one", "A1"), ("m", "move", "in a")])),
        ("faq/b.yaml", &yaml(&[("b", "two", "B1")])),
    ]);
    let good = site.load(None).snapshot.unwrap();

    // An entry moves to another file: it is there twice until both are saved.
    site.write("faq/b.yaml", &yaml(&[("b", "two", "B2"), ("m", "move", "in b")]));
    let between = site.load(Some(&good));
    assert_eq!(site.held(&between), ["faq/b.yaml"]);
    let between = between.snapshot.unwrap();
    assert_eq!(between.revision, good.revision);
    site.write("faq/a.yaml", &yaml(&[("a", "one", "A2")]));
    let after = site.load(Some(&between));
    assert_eq!(site.wrong(&after), "");
    assert_eq!(ask(&after.snapshot.unwrap(), "move").await, "in b");

    // The same with somebody else's mistake beside it, which is the newest change.
    site.write("faq/c.yaml", &yaml(&[("b", "five", "C1")]));
    let loaded = site.load(Some(&good));
    assert_eq!(site.held(&loaded), ["faq/c.yaml"], "{}", site.wrong(&loaded));
    assert_eq!(ask(&loaded.snapshot.unwrap(), "move").await, "in b");
}

#[tokio::test]
async fn a_first_start_takes_what_works_and_says_what_does_not() {
    let site = Site::new(&[]);
    let error = Live::start_on(site.folders(), None).await.err().unwrap();
    assert!(matches!(error, ContentError::NoFolder(_)));
    assert!(error.to_string().contains("`purser init` writes a set to start with"), "{error}");

    site.write("faq/notes.txt", "not content");
    let error = Live::start_on(site.folders(), None).await.err().unwrap();
    assert!(error.to_string().contains("there are no .yaml files in the folder"), "{error}");

    site.write("faq/broken.yaml", "language: [en\n");
    let error = Live::start_on(site.folders(), None).await.err().unwrap();
    assert!(matches!(&error, ContentError::Unusable { findings, .. } if findings.len() == 1), "{error}");

    // Two claim one name: one of them stays out. A sample that fails is an error that keeps nothing out here.
    site.write("faq/a.yaml", &(yaml(&[("a", "one", "A1")]) + "    ask: [uno]\n"));
    site.age("faq/a.yaml", 5);
    site.write("faq/b.yaml", &yaml(&[("a", "two", "B1")]));
    let live = Live::start(&site).await;
    let snapshot = live.content.in_force();
    assert_eq!((ask(&snapshot, "one").await, ask(&snapshot, "two").await), ("A1".to_owned(), "-".to_owned()));
    assert_eq!(live.content.findings().iter().filter(|finding| finding.is_error()).count(), 3);
    assert_eq!(live.content.held().len(), 2);
    live.stop().await;

    // What the set in force misses already keeps nobody from editing, the same file or another.
    let good = site.load(None).snapshot.unwrap();
    site.write("faq/a.yaml", &(yaml(&[("a", "one", "A2")]) + "    # a line more\n    ask: [uno]\n"));
    site.write("faq/c.yaml", &yaml(&[("c", "uno", "C1")]));
    let loaded = site.load(Some(&good));
    let live = loaded.snapshot.as_ref().unwrap();
    assert_eq!((ask(live, "one").await, ask(live, "uno").await), ("A2".to_owned(), "C1".to_owned()));
    assert!(site.wrong(&loaded).contains("faq/a.yaml:8:11: `c` answers this with 1.00"), "{}", site.wrong(&loaded));

    // A sample that was right and is not any more does.
    let site = Site::new(&[("faq/a.yaml", &yaml(&[("a", "one", "A1")]))]);
    let good = site.load(None).snapshot.unwrap();
    site.write("faq/a.yaml", &(yaml(&[("a", "one", "A2")]) + "    ask: [uno]\n"));
    let loaded = site.load(Some(&good));
    assert_eq!(site.held(&loaded), ["faq/a.yaml"]);
    assert_eq!(ask(&loaded.snapshot.unwrap(), "one").await, "A1");
}

#[tokio::test]
async fn what_is_saved_while_the_store_is_opened_goes_live_too() {
    let site = Site::new(&[("faq/a.yaml", &yaml(&[("a", "one", "A1")]))]);
    let reading = Reading::begin(site.folders());
    // A new file waits for the disk several times: the small folder is read long before it is there.
    let url = format!("sqlite://{}", site.path("purser.db").display()).parse().unwrap();
    let store = Store::open(&url, |_| {}).await.unwrap();
    site.write("faq/a.yaml", &yaml(&[("a", "one", "A2")]));
    site.write("faq/b.yaml", &yaml(&[("b", "two", "B1")]));
    let mut live = Live::start_of(reading, Some(store.clone())).await.unwrap();
    live.answers("one", "A2").await;
    live.answers("two", "B1").await;
    live.stop().await;
    store.close().await;
}

#[tokio::test]
async fn a_restart_over_broken_files_goes_on_with_the_last_good_set() {
    let site = Site::new(&[("faq/a.yaml", &yaml(&[("a", "one", "A1")])), ("faq/b.yaml", &yaml(&[("b", "two", "B1")]))]);
    let url = format!("sqlite://{}", site.path("purser.db").display()).parse().unwrap();
    let store = Store::open(&url, |_| {}).await.unwrap();
    let mut live = Live::start_on(site.folders(), Some(store.clone())).await.unwrap();
    site.write("faq/a.yaml", &yaml(&[("a", "one", "A2")]));
    live.answers("one", "A2").await;
    let revision = live.content.in_force().revision.clone();
    live.stop().await;
    // A set is kept after it is live.
    let kept = store.latest_content().await.unwrap().unwrap();
    assert_eq!((kept.revision.as_str(), kept.files.len()), (&*revision, 2));
    store.close().await;

    // Everything goes wrong while nobody looks.
    site.write("faq/a.yaml", "language: en\nentries:\n\t- id: a\n");
    site.write("faq/b.yaml", &yaml(&[("b", "two", "B2")]));
    let store = Store::open(&url, |_| {}).await.unwrap();
    let mut live = Live::start_on(site.folders(), Some(store.clone())).await.unwrap();
    live.finds("faq/a.yaml:3:1: a tab").await;
    live.answers("one", "A2").await;
    live.answers("two", "B2").await;
    live.stop().await;
    store.close().await;

    // Even the folder is gone.
    fs::remove_dir_all(site.path("faq")).unwrap();
    let store = Store::open(&url, |_| {}).await.unwrap();
    let mut live = Live::start_on(site.folders(), Some(store.clone())).await.unwrap();
    live.finds("there is no such folder").await;
    live.answers("one", "A2").await;
    live.answers("two", "B2").await;
    // And comes back.
    site.write("faq/a.yaml", &yaml(&[("a", "one", "A3")]));
    live.answers("one", "A3").await;
    live.answers("two", "-").await;
    live.stop().await;
    assert_eq!(store.content_sets(10).await.unwrap().len(), 4);
    store.close().await;
}

#[tokio::test]
async fn every_way_of_changing_files_is_noticed() {
    let site = Site::new(&[("faq/a.yaml", &yaml(&[("a", "one", "1")]))]);
    let mut live = Live::start(&site).await;

    // In place.
    site.write("faq/a.yaml", &yaml(&[("a", "one", "2")]));
    live.answers("one", "2").await;

    // Renamed over, as many editors do, with their leftovers.
    site.write("faq/.a.yaml.swp", "\0");
    site.write("faq/a.yaml~", "language: [");
    site.write("faq/4913.tmp", &yaml(&[("a", "one", "3")]));
    fs::rename(site.path("faq/4913.tmp"), site.path("faq/a.yaml")).unwrap();
    live.answers("one", "3").await;

    // A new folder with a file in it at once, and one far below.
    site.write("faq/en/b.yaml", &yaml(&[("b", "two", "4")]));
    live.answers("two", "4").await;
    site.write("faq/x/y/z/c.yaml", &yaml(&[("c", "three", "5")]));
    live.answers("three", "5").await;
    // Files in folders that came later.
    site.write("faq/x/y/z/c.yaml", &yaml(&[("c", "three", "6")]));
    live.answers("three", "6").await;

    // Away.
    fs::remove_dir_all(site.path("faq/x")).unwrap();
    live.answers("three", "-").await;
    fs::remove_file(site.path("faq/en/b.yaml")).unwrap();
    live.answers("two", "-").await;

    // The folder replaced as a whole, as a deployment does.
    site.write("next/a.yaml", &yaml(&[("a", "one", "7")]));
    fs::rename(site.path("faq"), site.path("before")).unwrap();
    fs::rename(site.path("next"), site.path("faq")).unwrap();
    live.answers("one", "7").await;
    // And it is followed on.
    site.write("faq/a.yaml", &yaml(&[("a", "one", "8")]));
    live.answers("one", "8").await;

    // Gone: the last good set stays. And back.
    fs::rename(site.path("faq"), site.path("away")).unwrap();
    live.finds("there is no such folder").await;
    live.answers("one", "8").await;
    fs::create_dir(site.path("faq")).unwrap();
    live.finds("there are no .yaml files").await;
    live.answers("one", "8").await;
    site.write("faq/a.yaml", &yaml(&[("a", "one", "9")]));
    live.answers("one", "9").await;
    live.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_config_map_is_followed_when_its_link_moves() {
    use std::os::unix::fs::symlink;

    // As Kubernetes lays it out: files are links through ..data, which is a link to the version.
    let site = Site::new(&[("faq/..v1/a.yaml", &yaml(&[("a", "one", "1")]))]);
    symlink("..v1", site.path("faq/..data")).unwrap();
    symlink("..data/a.yaml", site.path("faq/a.yaml")).unwrap();
    let mut live = Live::start(&site).await;
    live.answers("one", "1").await;
    for version in ["2", "3"] {
        site.write(&format!("faq/..v{version}/a.yaml"), &yaml(&[("a", "one", version)]));
        symlink(format!("..v{version}"), site.path("faq/..data_tmp")).unwrap();
        fs::rename(site.path("faq/..data_tmp"), site.path("faq/..data")).unwrap();
        live.answers("one", version).await;
    }
    live.stop().await;

    // A link in a circle leads nowhere.
    let site = Site::new(&[("faq/a.yaml", &yaml(&[("a", "one", "1")]))]);
    symlink("..", site.path("faq/up")).unwrap();
    symlink("../faq", site.path("faq/self")).unwrap();
    let loaded = site.load(None);
    assert_eq!(loaded.snapshot.unwrap().files.len(), 1, "{:?}", loaded.findings);

    // As deployment tools do: the folder itself is a link to a release.
    let site = Site::new(&[("r1/a.yaml", &yaml(&[("a", "one", "1")])), ("r2/a.yaml", &yaml(&[("a", "one", "2")]))]);
    symlink("r1", site.path("faq")).unwrap();
    let mut live = Live::start(&site).await;
    symlink("r2", site.path("next")).unwrap();
    fs::rename(site.path("next"), site.path("faq")).unwrap();
    live.answers("one", "2").await;
    site.write("r2/a.yaml", &yaml(&[("a", "one", "3")]));
    live.answers("one", "3").await;
    live.stop().await;
}

#[tokio::test]
async fn a_change_is_live_within_a_second() {
    let site = Site::new(&[("faq/a.yaml", &yaml(&[("a", "one", "0")]))]);
    let mut live = Live::start(&site).await;
    // Looking at the files every two seconds takes about that long for each of these, one after the other; being told
    // of them a quarter of a second.
    let started = Instant::now();
    for number in 1..=8 {
        let answer = number.to_string();
        site.write("faq/a.yaml", &yaml(&[("a", "one", &answer)]));
        live.answers("one", &answer).await;
    }
    let took = started.elapsed();
    // Half of what looking takes would do; a busy machine gets more.
    assert!(took < Duration::from_secs(12), "eight changes took {took:?}");
    live.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_change_that_nobody_tells_of_is_seen_by_looking() {
    // The file itself lies elsewhere, where nothing is watched; as on a network file system.
    let site =
        Site::new(&[("elsewhere/a.yaml", &yaml(&[("a", "one", "1")])), ("faq/b.yaml", &yaml(&[("b", "two", "1")]))]);
    std::os::unix::fs::symlink("../elsewhere/a.yaml", site.path("faq/a.yaml")).unwrap();
    let mut live = Live::start(&site).await;
    site.write("elsewhere/a.yaml", &yaml(&[("a", "one", "changed")]));
    live.answers("one", "changed").await;
    live.stop().await;
}

#[tokio::test]
async fn what_is_broken_while_it_runs_changes_nothing_but_the_findings() {
    let site = Site::new(&[("faq/a.yaml", &yaml(&[("a", "one", "1")]))]);
    let mut live = Live::start(&site).await;
    let before = live.content.in_force();
    site.write("faq/a.yaml", "");
    live.finds("the file is empty").await;
    assert!(Arc::ptr_eq(&before, &live.content.in_force()));
    assert!(live.swaps.try_recv().is_err());
    site.write("faq/a.yaml", &yaml(&[("a", "one", "2")]));
    live.answers("one", "2").await;
    assert!(live.content.findings().is_empty());

    // Nothing new, nothing swapped.
    live.content.reload().await;
    assert!(live.swaps.try_recv().is_err());
    live.stop().await;
}

#[tokio::test]
async fn an_old_set_can_be_put_back() {
    let site =
        Site::new(&[("faq/a.yaml", &yaml(&[("a", "one", "1")])), ("faq/en/b.yaml", &yaml(&[("b", "two", "1")]))]);
    let old = site.load(None).snapshot.unwrap();
    site.write("faq/a.yaml", "broken: [");
    fs::remove_dir_all(site.path("faq/en")).unwrap();
    site.write("faq/c.yaml", &yaml(&[("c", "three", "1")]));
    site.write("faq/notes.txt", "stays");
    let mut changed = put_back(&site.folders(), &old.files).unwrap();
    changed.sort();
    assert_eq!(changed, ["faq/a.yaml", "faq/c.yaml", "faq/en/b.yaml"].map(|path| site.path(path)));
    let again = site.load(None);
    assert_eq!(site.wrong(&again), "");
    assert_eq!(again.snapshot.unwrap().revision, old.revision);
    assert!(site.path("faq/notes.txt").exists());

    let outside: BTreeMap<_, _> = [("faq/../../etc/x.yaml".to_owned(), Vec::new())].into();
    assert!(put_back(&site.folders(), &outside).is_err());
}

/// `PURSER_UPDATE=1 cargo test` writes it anew.
#[test]
fn the_schema_for_editors_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("faq/schema.json");
    if std::env::var_os("PURSER_UPDATE").is_some() {
        fs::write(&path, schema()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == schema(),
        "faq/schema.json is not what the types say; PURSER_UPDATE=1 cargo test writes it anew"
    );
}
