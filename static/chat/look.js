// How the window looks. Colours are properties of .window, so that dark is another set of them and nothing more.
export const look = new CSSStyleSheet();
look.replaceSync(`
.window{--surface:#fff;--back:#f4f6f9;--ink:#17212f;--soft:#566375;--line:#dfe5ec;--bubble:#fff;--shade:#17212f26;--bad:#b42323;--edge:color-mix(in srgb,var(--accent) 55%,var(--line));color-scheme:light;
position:fixed;bottom:calc(var(--y) + 72px);inset-inline-end:var(--x);width:400px;max-width:calc(100vw - 2*var(--x));height:min(660px,100dvh - var(--y) - 96px);
display:flex;flex-direction:column;overflow:hidden;border-radius:var(--purser-radius,18px);background:var(--surface);color:var(--ink);
border:1px solid var(--line);box-shadow:0 1px 2px var(--shade),0 16px 48px var(--shade);outline:0;text-align:start}
.window.dark{--surface:#171c24;--back:#10141a;--ink:#e7ecf3;--soft:#a0acbb;--line:#2c3541;--bubble:#202833;--shade:#0009;--bad:#ff8f8f;--edge:color-mix(in srgb,var(--accent) 50%,#fff);color-scheme:dark}
button,textarea{font:inherit;color:inherit;margin:0}
button{background:none;border:1px solid #0000;border-radius:20px;cursor:pointer}
.window :focus-visible{outline:2px solid color-mix(in srgb,var(--accent) 75%,var(--ink));outline-offset:2px}
header{display:flex;align-items:center;gap:4px;padding:12px 16px}
h2{flex:1;margin:0 8px;font-size:16px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.mark{position:relative;width:36px;padding:8px;border-radius:50%;background:var(--accent);color:var(--on-accent)}
.mark:after{content:"";position:absolute;inset:auto 0 0 auto;border:5px solid #2b8a3e;border-radius:50%;outline:2px solid var(--surface)}
[data-state]:not([data-state=online]) .mark:after{border-color:#adb5bd}
.icon{width:40px;padding:9px;color:var(--soft)}
.icon:hover{background:var(--back);color:var(--ink)}
.log{flex:1;position:relative;overflow:hidden auto;overflow-anchor:none;overscroll-behavior:contain;padding:16px;background:var(--back);border:solid var(--line);border-width:1px 0;outline-offset:-3px!important}
.row{display:flex;flex-direction:column;align-items:start;margin-top:14px}
.row.joined{margin-top:4px}
.row:first-child{margin:0}
.visitor{align-items:end}
.day{align-self:center;font-size:12px;color:var(--soft)}
.day:not(:empty){margin:4px 0 12px}
.day:first-letter{text-transform:uppercase}
.unseen{position:absolute;width:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.bubble{max-width:86%;padding:9px 13px;border-radius:16px;border-end-start-radius:5px;background:var(--bubble);border:1px solid var(--line);overflow-wrap:anywhere;unicode-bidi:plaintext}
.visitor .bubble{border-radius:16px;border-end-end-radius:5px;background:var(--accent);border-color:#0000;color:var(--on-accent);white-space:pre-wrap}
.bubble :is(p,ul,ol,pre,h3,blockquote,.wide){margin:0 0 8px}
.bubble :is(p,li,td,th,h3){unicode-bidi:plaintext;text-align:start}
.bubble>:last-child{margin-bottom:0}
.bubble :is(ul,ol){padding-inline-start:20px}
.bubble a{color:inherit;text-decoration:underline 2px var(--edge);text-underline-offset:3px}
.meta{display:flex;flex-wrap:wrap;align-items:center;gap:0 5px;min-height:26px;margin:0 4px;font-size:12px;color:var(--soft)}
.row:has(+.joined):not(.failed) .meta{display:none}
.visitor .meta{justify-content:end;text-align:end}
.plain{padding:4px 6px;text-decoration:underline;text-underline-offset:3px}
.choices{display:flex;flex-wrap:wrap;gap:8px;margin-top:12px}
.choices>*{padding:8px 14px;border:1px solid var(--edge);border-radius:20px;background:var(--bubble);color:inherit;text-align:start;text-decoration:none;overflow-wrap:anywhere}
.choices>:hover{background:color-mix(in srgb,var(--accent) 12%,var(--bubble))}
.dots{display:flex;gap:5px;padding:15px 14px}
i{width:7px;height:7px;border-radius:50%;background:var(--soft)}
.state,.over{padding:8px 16px;font-size:14px;background:color-mix(in srgb,#e8a200 16%,var(--surface))}
.over:empty,.privacy:empty{display:none}
form{display:flex;align-items:end;gap:8px;padding:10px 12px}
textarea{flex:1;min-width:0;height:42px;padding:9px 14px;border:1px solid color-mix(in srgb,var(--ink) 48%,var(--surface));border-radius:21px;background:none;font-size:16px;line-height:22px;resize:none;unicode-bidi:plaintext}
.window textarea:focus-visible{outline-offset:-1px}
textarea::placeholder{color:var(--soft);opacity:1}
.send{width:42px;height:42px;padding:10px;border-radius:50%;background:var(--accent);color:var(--on-accent)}
.send:disabled{background:var(--line);color:var(--soft);cursor:default}
.privacy{padding:0 16px 10px;font-size:12px;color:var(--soft);text-align:center}
.privacy p{margin:0}
.privacy a{color:inherit}
@media (max-width:480px),(max-height:420px){.window{inset:var(--top,0) 0 auto!important;width:100%;max-width:none;height:var(--height,100dvh);border:0;border-radius:0}
.window>:last-child{padding-bottom:calc(10px + env(safe-area-inset-bottom))}}
@media (prefers-reduced-motion:no-preference){.window{animation:rise .16s}.row{animation:fade .18s}
i{animation:dot 1.2s infinite}i:nth-child(2){animation-delay:.15s}i:nth-child(3){animation-delay:.3s}}
@keyframes rise{from{opacity:0;transform:translateY(10px)}}
@keyframes fade{from{opacity:0}}
@keyframes dot{30%{opacity:.3}}`);
