/* Reading a page aloud, for readers in elder mode whose browser has a voice for its language.

   Nothing is read before somebody presses the button, and without script or voice there is no button. The page's main
   part is read block by block; the one being read is marked and kept in sight. Pausing gives the voice up and goes on
   from the same sentence, since on many phones a paused voice never comes back. The script element says the words on
   the buttons: data-read, data-pause, data-resume, data-stop, data-slower. */
"use strict";

(function () {
  const script = document.currentScript, told = script.dataset, voices = window.speechSynthesis;
  const main = document.getElementById("main");
  if (!voices || !window.SpeechSynthesisUtterance || !main) return;

  const BLOCKS = "h1, h2, h3, h4, p, li, dt, dd, legend, label, caption, th, td, figcaption, blockquote, summary, " +
    ".number, .figure-value, .figure-label, .step-name, .step-line, .moment-at, .moment-label, .moment-text";
  /* How fast, 1 being the voice's own; a voice stops by itself in sentences that are too long. */
  const RATE = 0.9, SLOW = 0.65, LONGEST = 120;

  const language = document.documentElement.lang;
  const spoken = language === "zh-Hant" ? ["zh-hk", "yue-hk", "zh-tw", "zh"] : language.indexOf("zh") === 0 ?
    ["zh-cn", "cmn-hans-cn", "cmn", "zh"] : [language.toLowerCase()];

  function voice() {
    const offered = voices.getVoices();
    for (const wanted of spoken) {
      const fitting = offered.filter(function (each) {
        return each.lang.toLowerCase().replace(/_/g, "-").indexOf(wanted) === 0;
      });
      /* One on the machine costs nobody's data. */
      if (fitting.length) return fitting.find(function (each) { return each.localService; }) || fitting[0];
    }
    return null;
  }

  let parts = [], at = 0, turn = 0, slow = false, marked = null, speech = null;

  function sentences(text) {
    const found = [];
    (text.match(/.+?([。！？；]+|[.!?;]+(?=\s|$)|$)/gm) || []).forEach(function (sentence) {
      let rest = sentence.trim();
      while (rest.length > LONGEST) {
        const start = rest.slice(0, LONGEST);
        const end = Math.max(start.lastIndexOf("，"), start.lastIndexOf("、"), start.lastIndexOf(" ")) + 1 || LONGEST;
        found.push(rest.slice(0, end));
        rest = rest.slice(end);
      }
      if (/[^\s。，、；：！？“”（）.,;:!?-]/.test(rest)) found.push(rest);
    });
    return found;
  }

  function collect() {
    const found = [];
    main.querySelectorAll(BLOCKS).forEach(function (block) {
      if (bar.contains(block) || block.querySelector(BLOCKS) || !block.getClientRects().length) return;
      sentences(block.innerText).forEach(function (text) { found.push({ block: block, text: text }); });
    });
    return found;
  }

  function mark(block) {
    if (marked === block) return;
    if (marked) marked.classList.remove("read-now");
    marked = block;
    if (!block) return;
    block.classList.add("read-now");
    const place = block.getBoundingClientRect();
    if (place.top < 0 || place.bottom > window.innerHeight) block.scrollIntoView({ block: "center" });
  }

  function silence() {
    turn += 1;
    voices.cancel();
  }

  function speak() {
    silence();
    if (at >= parts.length) { stop(); return; }
    const mine = turn, part = parts[at];
    mark(part.block);
    speech = new SpeechSynthesisUtterance(part.text);
    speech.voice = voice();
    speech.lang = speech.voice ? speech.voice.lang : language;
    speech.rate = slow ? SLOW : RATE;
    speech.onend = function () {
      if (mine !== turn) return;
      at += 1;
      speak();
    };
    speech.onerror = function () { if (mine === turn) pause(); };
    voices.speak(speech);
  }

  function read() {
    if (!parts.length) { parts = collect(); at = 0; }
    show(told.pause, pause, true);
    speak();
  }

  function pause() {
    silence();
    show(told.resume, read, true);
  }

  function stop() {
    silence();
    parts = [];
    mark(null);
    show(told.read, read, false);
  }

  function button(words, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "button button-outline";
    made.textContent = words;
    made.addEventListener("click", function () { act(); });
    return made;
  }

  let next = read;
  function show(words, act, begun) {
    go.textContent = words;
    next = act;
    end.hidden = slower.hidden = !begun;
  }

  const bar = document.createElement("div");
  bar.className = "reading";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", told.read);
  bar.hidden = true;
  const go = button(told.read, function () { next(); });
  const slower = button(told.slower, function () {
    slow = !slow;
    slower.setAttribute("aria-pressed", String(slow));
    if (next === pause) speak();
  });
  slower.setAttribute("aria-pressed", "false");
  const end = button(told.stop, function () { stop(); go.focus(); });
  end.hidden = slower.hidden = true;
  bar.append(go, slower, end);
  script.parentNode.insertBefore(bar, script);

  /* Voices are often there only a while after the page. */
  function look() { bar.hidden = !voice(); }
  look();
  if (voices.addEventListener) voices.addEventListener("voiceschanged", look); else voices.onvoiceschanged = look;
  window.addEventListener("pagehide", silence);
})();
