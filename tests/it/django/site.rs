//! The site of tests/django: gunicorn and purser behind nginx with the example's configuration, on one MariaDB, over
//! TLS, in real Chromium.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::Locator;
use purser::config::{Config, Flags};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::views::execute;
use crate::browser::{Browser, DESKTOP, PHONE};
use crate::harness::{Setup, TestDatabase, TestPurser, copy};
use crate::servers::{WebProxy, free_port, or_skip};

const SITE: &str = "tests/django";
const KEY: &str = "6f1c0a4be7d5493d8a2f10c9b3e8d7a56f1c0a4be7d5493d8a2f10c9b3e8d7a5";
/// What a customer is called who means harm.
const NAME: &str = "<img src=x onerror=document.title='owned'> O'Neil";
const WHO: &str = "language: en\nentries:\n  - id: who\n    phrases: [who am i, what is my name]\n    \
                   answer: 'You are {{ visitor.name | default(\"nobody\") }}.'\n";

/// Python with what the site needs; `None`, and said aloud, where it is not installed.
fn python() -> Option<String> {
    let python = fs::canonicalize("target/python").unwrap_or_default().join("bin/python").display().to_string();
    let tried = Command::new(&python).args(["-c", "import django, gunicorn, jwt, pymysql"]).output();
    let tried = match tried {
        Ok(output) if output.status.success() => Ok(python),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()),
        Err(error) => Err(format!("{python}: {error}")),
    };
    or_skip("Django", "python3-venv; then tests/run installs it into target/python", tried)
}

/// The settings of the site that come from the environment.
fn environment(shop: &str, more: &[(&str, &str)]) -> Vec<String> {
    let all = [
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("SECRET_KEY", "a key of the tests alone"),
        ("PURSER_KEY", KEY),
        ("SHOP_DATABASE", shop),
    ];
    all.iter().chain(more).map(|(name, value)| format!("{name}={value}")).collect()
}

/// A command of `manage.py`; what it prints.
fn manage(python: &str, environment: &[String], arguments: &[&str]) -> String {
    let mut command = Command::new("env");
    command.args(environment).arg(python).arg("manage.py").args(arguments).current_dir(SITE);
    let output = command.stdin(Stdio::null()).output().expect("python");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "manage.py {arguments:?}: {out}{err}");
    out.into_owned()
}

/// Makes Django's tables, and checks the site as `manage.py check` does. In one process with what comes after: each start
/// of Django takes seconds on a busy machine.
const MIGRATE: &str = "
from django.core.management import call_command
call_command('check', fail_level='WARNING')
call_command('migrate', interactive=False, verbosity=0)
";

/// What the views say through Django's models, as JSON.
const READ: &str = "
import json, datetime
from django.utils import timezone
from chat.models import ChatMessage, ChatSession
session = ChatSession.objects.filter(user='4711').get()
assert ChatSession.objects.get(pk=session.pk).created_at == session.created_at
assert ChatSession.objects.get(pk=str(session.pk)).pk == session.pk
assert timezone.is_aware(session.created_at)
assert abs(timezone.now() - session.created_at) < datetime.timedelta(hours=1), session.created_at
hour = timezone.now() - datetime.timedelta(hours=1)
assert ChatSession.objects.filter(created_at__gte=hour).count() == 1
messages = list(session.messages.select_related('session'))
assert [m.pk for m in messages] == sorted(m.pk for m in messages)
assert all(ChatMessage.objects.get(pk=m.pk).session_id == session.pk for m in messages)
assert ChatMessage.objects.filter(session__user='4711').count() == len(messages)
assert ChatMessage.objects.filter(timestamp__lt=hour).count() == 0
assert messages[0].timestamp >= session.created_at
print(json.dumps([[m.sender, m.message] for m in messages]))
";

/// Somebody says something, with purser on this database.
async fn said(database: &TestDatabase) {
    let purser = Setup::on(database).change(|config| config.identity = Some(crate::identity::keys())).start().await;
    let visitor = crate::harness::Visitor::new();
    let identity = crate::identity::token_until("4711", purser.desk.now() / 1000 + 300, json!({}));
    let mut socket = purser.typed().await;
    let (token, conversation) = (&visitor.token, visitor.conversation);
    socket
        .send(json!({ "type": "hello", "token": token, "conversation": conversation, "seq": 0, "identity": identity }))
        .await;
    socket.hear("welcome").await;
    socket.ask(&visitor.conversation.to_string(), "how much does it cost?").await;
    purser.stop().await;
}

/// An address of a MariaDB database as the settings have it.
fn place(database: &TestDatabase, account: &str) -> String {
    let (server, name) = database.on_server().expect("MariaDB");
    format!("{account}@127.0.0.1:{}/{name}", server.port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn djangos_models_read_one_database_for_both_and_an_sqlite_file() {
    let (Some(python), Some(both)) = (python(), TestDatabase::mariadb().await) else { return };
    let file = TestDatabase::sqlite();
    said(&both).await;
    said(&file).await;
    let shop = place(&both, "root:");
    let path = file.file().expect("a file").display().to_string();
    let read = tokio::task::spawn_blocking(move || {
        let url = ("PURSER_URL", "https://chat.shop.example");
        let one = environment(&shop, &[url]);
        // Beside purser's tables in the same database.
        let here = manage(&python, &one, &["shell", "-c", &format!("{MIGRATE}{READ}")]);
        let there = manage(&python, &environment(&shop, &[url, ("CHAT_FILE", &path)]), &["shell", "-c", READ]);
        [here, there]
    });
    for said in read.await.expect("no panic") {
        let said: Value = serde_json::from_str(said.lines().last().unwrap_or_default()).expect("JSON");
        assert_eq!(said, json!([["visitor", "how much does it cost?"], ["bot", "From £3.49."]]));
    }
    // purser goes on beside Django's tables.
    said(&both).await;
}

/// All of it.
struct DjangoSite {
    purser: TestPurser,
    _nginx: WebProxy,
    _gunicorn: WebProxy,
    _folder: TempDir,
    shop: String,
    /// What Chromium is told to find and to trust.
    arguments: Vec<String>,
}

impl DjangoSite {
    async fn start() -> Option<DjangoSite> {
        let (python, chat, shop) = (python()?, TestDatabase::mariadb().await?, TestDatabase::mariadb().await?);
        let folder = tempfile::tempdir().expect("a folder");
        let [https, http, django] = [(); 3].map(|()| free_port().expect("a port"));
        let origin = format!("https://shop.example:{https}");

        // purser, as its configuration says.
        let yaml = fs::read_to_string(format!("{SITE}/purser.yaml")).expect("a file");
        let yaml = filled(
            yaml,
            &[("mysql://purser:secret@127.0.0.1/purser", chat.url()), ("https://shop.example", origin.clone())],
        );
        let file = folder.path().join("purser.yaml");
        fs::write(&file, yaml).expect("a file");
        let key = ("SHOP_SIGNING_KEY".to_owned(), KEY.to_owned());
        let config = Config::load(Some(&file), [key], &Flags(Vec::new())).expect("a configuration");
        let content = Arc::new(tempfile::tempdir().expect("a folder"));
        copy(Path::new("tests/faq"), &content.path().join("faq"));
        fs::write(content.path().join("faq/who.yaml"), WHO).expect("a file");
        let change = |changed: &mut Config| (changed.origins, changed.identity) = (config.origins, config.identity);
        let purser = Setup::on(&chat).change(change).start_in(content).await;

        // Django's user, which may read the views alone.
        let (server, name) = chat.on_server().expect("MariaDB");
        let grants = fs::read_to_string(format!("{SITE}/grants.sql")).expect("a file");
        let reader = format!("reader_{name}");
        let grants = grants.replace("shop_reader", &reader).replace("purser.", &format!("`{name}`."));
        for grant in grants.split(';').filter(|grant| !grant.trim().is_empty()) {
            execute(&chat, grant.to_owned()).await;
        }
        let settings = environment(
            &place(&shop, "root:"),
            &[
                ("CHAT_DATABASE", &format!("{reader}:another secret@127.0.0.1:{}/{name}", server.port())),
                ("PURSER_URL", &format!("https://chat.shop.example:{https}")),
                ("PURSER_INTERNAL_URL", &format!("http://{}", purser.address)),
                ("STATIC_ROOT", &folder.path().join("collected").display().to_string()),
            ],
        );
        let at = folder.path().to_owned();
        let (address, customer) = (purser.address, NAME.replace('\'', "\\'"));
        let started = tokio::task::spawn_blocking(move || -> Result<_, String> {
            let users = format!(
                "{MIGRATE}call_command('collectstatic', interactive=False, verbosity=0)\n\
                 from django.contrib.auth.models import User\n\
                 User.objects.create_superuser('chief', password='a long password')\n\
                 User.objects.create_user('ann', password='a long password', first_name='{customer}')"
            );
            manage(&python, &settings, &["shell", "-c", &users]);
            let mut gunicorn = Command::new("env");
            gunicorn.args(&settings).arg(&python).args(["-m", "gunicorn", "shop.wsgi", "--chdir", SITE]);
            gunicorn.args(["--threads", "4", "--bind", &format!("127.0.0.1:{django}")]);
            let own = at.join("gunicorn");
            let gunicorn = WebProxy::start(gunicorn, &own, "Listening at")?;
            let spki = certify(&at)?;
            let nginx = WebProxy::start(nginx(&at, [http, https, django], address), &at.join("nginx"), "event method")?;
            Ok((gunicorn, nginx, spki))
        });
        let started = started.await.expect("no panic");
        let (gunicorn, nginx, spki) = or_skip("nginx", "nginx openssl", started)?;
        let arguments = vec![
            "--host-resolver-rules=MAP shop.example 127.0.0.1, MAP chat.shop.example 127.0.0.1".to_owned(),
            format!("--ignore-certificate-errors-spki-list={spki}"),
        ];
        Some(DjangoSite { purser, _nginx: nginx, _gunicorn: gunicorn, _folder: folder, shop: origin, arguments })
    }

    async fn sign_in(&self, browser: &Browser, user: &str) {
        browser.goto(&format!("{}/accounts/login/", self.shop)).await;
        for (field, text) in [("#id_username", user), ("#id_password", "a long password")] {
            let field = browser.client().find(Locator::Css(field)).await.expect("a field");
            field.send_keys(text).await.expect("it is typed");
        }
        press(browser, "#sign-in").await;
    }
}

/// Clicks on something of the page, and waits for the next page.
async fn press(browser: &Browser, selector: &str) {
    browser.js("window.before = true").await;
    browser.client().find(Locator::Css(selector)).await.expect(selector).click().await.expect("a click");
    browser.when("the next page", "!window.before && document.readyState === 'complete'").await;
}

/// A self-signed certificate for both names; the hash of its key, by which Chromium trusts it.
fn certify(folder: &Path) -> Result<String, String> {
    let names = "subjectAltName=DNS:shop.example,DNS:chat.shop.example";
    let run = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output();
        let output = output.map_err(|error| format!("openssl: {error}"))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    };
    let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let rest = ["-subj", "/CN=shop.example", "-addext", names, "-keyout", "site.key", "-out", "site.crt"];
    run(&[&new[..], &rest[..]].concat())?;
    let key = run(&["pkey", "-in", "site.key", "-pubout", "-outform", "DER"])?;
    Ok(STANDARD.encode(Sha256::digest(key)))
}

/// Every left side stands there exactly once.
fn filled(mut text: String, places: &[(&str, String)]) -> String {
    for (from, to) in places {
        assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
        text = text.replace(from, to);
    }
    text
}

fn nginx(at: &Path, [http, https, django]: [u16; 3], purser: SocketAddr) -> Command {
    let file = |name: &str| at.join(name).display().to_string();
    let example = fs::read_to_string("docs/examples/nginx-django.conf").expect("the example");
    let example = filled(
        example,
        &[
            ("server 127.0.0.1:8000", format!("server 127.0.0.1:{django}")),
            ("server 127.0.0.1:8080", format!("server {purser}")),
            ("listen 80;", format!("listen 127.0.0.1:{http};")),
            ("/srv/shop/collected/", format!("{}/", file("collected"))),
        ],
    );
    let example = example
        .replace("listen 443 ssl", &format!("listen 127.0.0.1:{https} ssl"))
        .replace("/etc/ssl/shop.example.crt", &file("site.crt"))
        .replace("/etc/ssl/shop.example.key", &file("site.key"));
    fs::write(at.join("site.conf"), example).expect("a file");
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = kinds.iter().map(|kind| format!("{kind}_temp_path {};\n", file(kind))).collect();
    // The types of files are what a whole nginx.conf has, too.
    let types = "types { text/html html; text/css css; text/javascript js; image/svg+xml svg; }\n";
    let main = format!(
        "daemon off; master_process off; pid {}; error_log stderr notice;\nevents {{ worker_connections 512; }}\n\
         http {{ access_log off;\n{types}{temporary}include {}; }}\n",
        file("pid"),
        file("site.conf")
    );
    fs::write(at.join("nginx.conf"), main).expect("a file");
    let mut command = Command::new("nginx");
    command.arg("-e").arg("stderr").arg("-p").arg(at).arg("-c").arg(at.join("nginx.conf"));
    command
}

const WHOLE: &str = "rows().some((row) => row.includes('From £3.49.')) && rows().at(-1).includes('on Saturdays')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_of_the_django_site_goes_on_at_a_second_browser() {
    let Some(site) = DjangoSite::start().await else { return };
    let browsers = Browser::start_together([DESKTOP, PHONE], &site.arguments).await;
    let Some([desktop, phone]) = browsers else { return };
    site.sign_in(&desktop, "ann").await;
    desktop.open().await;
    desktop.say("who am i?").await;
    desktop.hear(&format!("You are {NAME}.")).await;
    desktop.say("how much does it cost?").await;
    desktop.hear("From £3.49.").await;
    shoot(&desktop, "django-desktop").await;

    // Signed out, the window has nothing of it any more.
    desktop.js("purser.close()").await;
    press(&desktop, "header button").await;
    desktop.open().await;
    let new = "rows().join() === 'Hello! What can I do for you?' && $('.window').dataset.state === 'online'";
    desktop.when("a new chat", new).await;
    let left = desktop.js("return JSON.stringify([{ ...localStorage }, { ...sessionStorage }])").await;
    assert!(!left.as_str().expect("text").contains("From £3.49"), "{left}");
    desktop.when("a name", "document.title === 'Halyard Parcels'").await;

    // The chief looks at it in the admin, and can change nothing.
    site.sign_in(&desktop, "chief").await;
    let admin = |path: &str| format!("{}/admin/chat/{path}", site.shop);
    desktop.goto(&admin("chatsession/")).await;
    shoot(&desktop, "django-sessions").await;
    assert_eq!(desktop.js("return document.querySelectorAll('#result_list tbody tr').length").await, 1);
    assert_eq!(desktop.js("return document.querySelector('.field-user').innerText").await, "2");
    press(&desktop, "#result_list tbody a").await;
    let shown = desktop.js("return document.querySelector('#content').innerText").await;
    for said in ["how much does it cost?", "From £3.49.", "onerror"] {
        assert!(shown.as_str().expect("text").contains(said), "{said} in {shown}");
    }
    let fields = "return [...document.querySelectorAll('#content input:not([type=hidden]), #content textarea')].length";
    assert_eq!(desktop.js(fields).await, 0, "nothing to type into");
    assert_eq!(desktop.js("return document.querySelectorAll('#content img[src=x]').length").await, 0);
    shoot(&desktop, "django-session").await;
    desktop.goto(&admin("chatmessage/")).await;
    assert_eq!(desktop.js("return document.querySelectorAll('#result_list tbody tr').length").await, 4);
    shoot(&desktop, "django-messages").await;
    for forbidden in ["chatsession/add/", "chatmessage/add/"] {
        let status = format!("return (await fetch('{}')).status", admin(forbidden));
        assert_eq!(desktop.js(&status).await, 403, "{forbidden}");
    }
    // The admin has no icon.
    let expected = ["status of 403", "favicon.ico"];
    desktop.expect_console(&expected).await;

    // The customer goes on with the phone, where the deletion of the account arrives, too.
    site.sign_in(&phone, "ann").await;
    phone.open().await;
    phone.hear("From £3.49.").await;
    phone.say("saturday delivery").await;
    phone.when("all of it", WHOLE).await;
    shoot(&phone, "django-phone").await;
    desktop.goto(&format!("{}/admin/auth/user/2/delete/", site.shop)).await;
    press(&desktop, "#content input[type=submit]").await;
    phone.when("an empty chat", "!rows().some((row) => row.includes('From £3.49.'))").await;
    desktop.goto(&admin("chatsession/")).await;
    assert_eq!(desktop.js("return document.querySelectorAll('#result_list tbody tr').length").await, 0);

    desktop.expect_console(&expected).await;
    desktop.end().await;
    phone.end().await;
    site.purser.stop().await;
}

/// What it looks like, for whoever wants to see it: in the folder that this variable names.
async fn shoot(browser: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("PURSER_TESTS_SHOTS") else { return };
    let picture = browser.client().screenshot().await.expect("a picture");
    fs::write(Path::new(&folder).join(format!("{name}.png")), picture).expect("a file");
}
