//! Conversations in the formats of other projects, and what of them has no place in a recording.

use std::fs;

use purser::recording::Recording;

use crate::cli::Site;

/// Converts a file, and gives its recordings and what was left out.
fn converted(site: &Site, file: &str) -> (Vec<Recording>, String) {
    let _ = fs::remove_dir_all(site.path("out"));
    let ran = site.run(&["convert", file, "--to", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut files: Vec<_> = fs::read_dir(site.path("out")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    (files.iter().map(|file| Recording::read(file).unwrap()).collect(), ran.err)
}

fn written(recordings: &[Recording]) -> String {
    recordings.iter().map(ToString::to_string).collect::<Vec<_>>().join("---\n")
}

#[test]
fn rasa_stories_find_words_and_answers_beside_them() {
    let site = Site::empty();
    let nlu = "version: \"3.1\"\nnlu:\n  - intent: say_no\n    examples: |\n      - no thanks\n      - nope\n";
    let domain = "responses:\n  utter_hi:\n    - text: Ahoy!\n  utter_bye:\n    - text: Bye\n    - text: So long.\n  utter_slot:\n    - text: \"It is {place}\"\n";
    site.write("data/nlu.yml", nlu);
    site.write("domain.yml", domain);
    site.write(
        "tests/test_stories.yml",
        "version: \"3.1\"\nstories:\n- story: one\n  steps:\n  - user: |\n      hello from [Bremen]{\"entity\": \"city\"}\n    \
         intent: greet\n  - action: utter_hi\n  - intent: say_no\n  - action: utter_bye\n  - slot_was_set:\n    - a: 1\n  \
         - action: action_look\n- story: empty\n  steps:\n  - action: utter_hi\n",
    );
    let (recordings, left) = converted(&site, "tests/test_stories.yml");
    assert_eq!(
        written(&recordings),
        "about: one\nconversation:\n  - say: hello from Bremen\n    answer: { contains: [\"Ahoy!\"] }\n  - say: no thanks\n    \
         answer: { matches: [\"Bye|So long\\\\.\"] }\n".replace("[\"Ahoy!\"]", "[Ahoy!]")
    );
    for expected in [
        "test_stories.yml:11:1: `slot_was_set`",
        "test_stories.yml:13:1: what `action_look` says",
        ":16:1: `utter_hi` comes before",
        "the story `empty`",
    ] {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }

    // The first version wrote Markdown.
    site.write(
        "tests/old.md",
        "## one\n<!-- a comment\n* greet: never said\n-->\n* greet: hello from [Bremen](city)\n  - utter_hi\n* say_no{\"a\": 1}\n  - utter_bye\n  - slot{\"a\": 1}\n> check\n",
    );
    let (again, left) = converted(&site, "tests/old.md");
    assert_eq!(written(&again), written(&recordings));
    assert!(left.contains("old.md:9:1: `slot`") && left.contains("old.md:10:1: the checkpoint"), "{left}");
}

#[test]
fn botium_conversations_know_their_utterances_and_memory() {
    let site = Site::empty();
    site.write("c/ask.utterances.txt", "ASK\nwhere is $number\nfind $number\n");
    site.write("c/bye.pconvo.txt", "Bye\n\n#bot\nyes\n\n#me\nbye $who\n");
    site.write("c/m.scriptingmemory.txt", "      |$number|$when\nfirst |A1     |today\nsecond|B2     |never\n");
    site.write(
        "c/track.convo.txt",
        "track it\n\n#begin\nSET_SCRIPTING_MEMORY who|Bo\n\n#me\nASK\n\n#bot\nIt comes $when\nBUTTONS Yes|No\n\n#me\nPAUSE 2000\nand $number?\n\nINCLUDE Bye\n\n#bot\n!never\nTEXT_CONTAINS that\n\n#end\nX\n",
    );
    let (recordings, left) = converted(&site, "c/track.convo.txt");
    assert_eq!(recordings.len(), 2);
    assert_eq!(
        recordings[1].to_string(),
        "about: \"track it: second\"\nconversation:\n  - say: where is B2\n    answer: { contains: [It comes never], \
         buttons: [\"Yes\", \"No\"] }\n  - wait: 2 seconds\n  - say: and B2?\n    answer: { contains: [\"yes\"] }\n  - say: bye Bo\n    answer: { contains: [that] }\n"
    );
    for expected in [
        "track.convo.txt:6:1: of the 2 wordings of ASK",
        ":20:1: what an answer must not be",
        ":24:1: what stands in `#end`",
    ] {
        assert!(left.contains(expected), "{expected} in\n{left}");
    }
}

#[test]
fn bot_framework_chats_and_transcripts_go_both_ways() {
    let site = Site::empty();
    site.write(
        "a.chat",
        "user=Ada\nbot=Purser\n\nuser: hello\nPurser: Ahoy!\n[SuggestedActions=Track|Price]\nAda: two\nlines\n[Attachment=x.png image/png]\n",
    );
    let (recordings, left) = converted(&site, "a.chat");
    let expected = "conversation:\n  - say: hello\n    answer: { contains: [Ahoy!], buttons: [Track, Price] }\n  - say: |-\n      two\n      lines\n";
    assert_eq!(written(&recordings), expected);
    assert!(left.contains("a.chat:9:1: `[Attachment=x.png image/png]`"), "{left}");

    let ran = site.run(&["convert", "a.chat", "--to", "t", "--format", "transcript"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (again, left) = converted(&site, "t/a.transcript");
    let plain = |recording: &Recording| {
        recording.conversation.iter().map(|step| (step.action.clone(), step.answer.clone())).collect::<Vec<_>>()
    };
    assert_eq!(plain(&again[0]), plain(&recordings[0]), "{left}");

    site.write("b.transcript", "[\n  {\"type\": \"typing\"},\n  {\"type\": \"message\", \"from\": {\"role\": \"user\"}, \"text\": \"hi\"}\n]\n");
    let (recordings, left) = converted(&site, "b.transcript");
    assert_eq!(written(&recordings), "conversation:\n  - say: hi\n");
    assert!(left.contains("b.transcript:2:1: an activity of the type `typing`"), "{left}");
    site.write("c.transcript", "[\n  {\"type\": }]");
    let ran = site.run(&["convert", "c.transcript", "b.transcript", "--to", "out"]);
    assert!(
        ran.code == 2 && ran.err.contains("c.transcript:2:12") && ran.out.contains("1 conversations written"),
        "{ran:?}"
    );
}
