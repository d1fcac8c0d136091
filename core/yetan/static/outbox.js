/* The outbox: what is typed over a poor connection, or none, is kept in the browser and sent once.

   Pages work without. A form takes part that has data-outbox and an idempotency key. Sent, its fields go into IndexedDB
   first and then to the server; where no answer comes they stay, the form is ready for the next entry under a fresh key,
   and this page or the next one with this script sends them: oldest first, one at a time in all tabs, as often as it
   takes, since the server applies a key once. What it refuses stays with its reason until somebody opens the form with
   it again or throws it away. An entry belongs to whoever typed it: the account, else the visitor the page knows.

   Nothing here needs https or a worker: it runs on plain addresses and in the browsers of messengers. The script element
   says whose page it is, where one signs in, and the words to show. */
"use strict";

(function () {
  const told = document.currentScript.dataset;
  if (!window.fetch || !window.AbortController || !window.crypto) return;

  /* Milliseconds: of watching an entry go before the form is free again; of one attempt, and more for each byte of
     files; between attempts, twice as many each time; and of keeping an entry, for the server forgets its key after
     seven days. */
  const PATIENCE = 8000, ATTEMPT = 30000, EACH_BYTE = 0.1, SOONEST = 5000, LATEST = 300000, AGE = 6 * 86400000;
  /* Answers that say: later. */
  const LATER = [408, 425, 429, 502, 503, 504];
  const owner = told.account + " " + told.visitor, tab = newKey();
  const forms = Array.from(document.querySelectorAll("form[data-outbox]")).filter(function (form) {
    return form.querySelector("[name=_key]") && !form.querySelector("[type=password]");
  });

  function newKey() {
    return Array.from(crypto.getRandomValues(new Uint8Array(24)), function (byte) {
      return ("0" + byte.toString(16)).slice(-2);
    }).join("");
  }

  function path(address) {
    const asked = new URL(address, location.href);
    return asked.pathname + asked.search;
  }

  /* ---- What is kept ---- */

  const opened = new Promise(function (resolve, reject) {
    const request = indexedDB.open("yetan outbox", 1);
    request.onupgradeneeded = function () {
      request.result.createObjectStore("entries", { keyPath: "key" });
      request.result.createObjectStore("signs");
    };
    request.onsuccess = function () {
      request.result.onversionchange = function () { request.result.close(); };
      resolve(request.result);
    };
    request.onerror = function () { reject(request.error); };
  });

  /* One transaction of all tabs, as a whole or not at all: `work` is given the two stores, all entries in order, and the
     signs between tabs: whose pages the browser was last given, and which tab is sending. What it returns comes back. */
  async function change(work) {
    const database = await opened;
    return new Promise(function (resolve, reject) {
      const transaction = database.transaction(["entries", "signs"], "readwrite");
      const entries = transaction.objectStore("entries"), signs = transaction.objectStore("signs");
      const all = entries.getAll(), present = signs.get("present"), sending = signs.get("sending");
      let result;
      sending.onsuccess = function () {
        const inOrder = all.result.sort(function (one, other) { return one.number - other.number; });
        result = work(entries, signs, inOrder, present.result, sending.result);
      };
      transaction.oncomplete = function () { resolve(result); };
      transaction.onabort = function () { reject(transaction.error); };
    });
  }

  function own(all) { return all.filter(function (entry) { return entry.owner === owner; }); }

  function keep(form, entry) {
    return change(function (entries, signs, all) {
      entry.number = all.length ? all[all.length - 1].number + 1 : 1;
      if (form.dataset.reopened) entries.delete(form.dataset.reopened);
      entries.put(entry);
    });
  }

  function drop(key) { return change(function (entries) { entries.delete(key); }); }

  /* The oldest entry of ours that waits, with the token to send, unless another tab is sending or somebody else has
     signed in meanwhile. */
  function turn() {
    return change(function (entries, signs, all, present, sending) {
      const now = Date.now();
      if (sending && sending.tab !== tab && sending.until > now && sending.until < now + AGE) return null;
      const waiting = own(all).filter(function (entry) {
        if (!entry.refused && now - entry.at > AGE) entries.put(Object.assign(entry, { refused: told.old }));
        return !entry.refused;
      });
      if (!waiting.length || present.account !== told.account) {
        signs.delete("sending");
        return null;
      }
      signs.put({ tab: tab, until: now + 2 * patience(waiting[0]) }, "sending");
      return { entry: waiting[0], token: present.token };
    });
  }

  function settle(entry, answer) {
    return change(function (entries, signs) {
      if (answer.taken) entries.delete(entry.key);
      else if (answer.refused) entries.put(Object.assign(entry, { refused: answer.refused }));
      else signs.delete("sending");
    });
  }

  /* ---- Sending ---- */

  function patience(entry) {
    return entry.fields.reduce(function (sum, field) { return sum + (field[1].size || 0) * EACH_BYTE; }, ATTEMPT);
  }

  /* What became of one attempt, one of them: taken, the address the server leads to; refused, its reason; signIn, where
     to sign in first; later, milliseconds. */
  async function send(entry, token) {
    const form = new FormData(), stop = new AbortController();
    entry.fields.forEach(function (field) { form.append(field[0], field[1]); });
    form.append("_key", entry.key);
    if (token) form.append("_token", token);
    const words = entry.fields.every(function (field) { return typeof field[1] === "string"; });
    const timer = setTimeout(function () { stop.abort(); }, patience(entry));
    try {
      const body = words ? new URLSearchParams(form) : form;
      const asked = { method: "POST", body: body, credentials: "same-origin", signal: stop.signal };
      const response = await fetch(entry.action, asked);
      /* A proxy or a portal in between may answer as well, and takes nothing. */
      const ours = response.headers.has("Cross-Origin-Resource-Policy");
      if (LATER.indexOf(response.status) >= 0 || (!ours && response.status !== 413)) {
        return { later: 1000 * parseInt(response.headers.get("Retry-After"), 10) || 0 };
      }
      if (!response.ok) return { refused: reason(await response.text()) };
      const led = response.redirected ? path(response.url) : "";
      if (led.split("?")[0] === told.signIn) return { signIn: led };
      return { taken: true, led: led };
    } catch (error) {
      return { later: 0 };
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
  }

  function reason(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const lines = page.querySelectorAll(".error-summary p, .error-summary li, main .lead");
    return Array.from(lines, function (line) { return line.textContent.trim(); }).join("\n") || told.unclear;
  }

  let round = Promise.resolve(), coming = null, timer = 0, pause = SOONEST;

  /* Sends what waits, after what is being sent already; comes back with the answers by key. */
  function deliver() {
    if (!coming) {
      coming = round.then(sendAll);
      round = coming.catch(function () { return {}; });
    }
    return round;
  }

  async function sendAll() {
    const answers = {};
    let answer = {};
    coming = null;
    clearTimeout(timer);
    for (let mine = await turn(); mine; mine = await turn()) {
      answer = answers[mine.entry.key] = await send(mine.entry, mine.token);
      await settle(mine.entry, answer);
      if (!answer.taken && !answer.refused) break;
      pause = SOONEST;
      if (answer.taken) news = { sent: news.sent + 1, led: answer.led };
    }
    if (await show(answer.signIn)) {
      timer = setTimeout(deliver, Math.max(pause, answer.later || 0));
      pause = Math.min(2 * pause, LATEST);
    }
    return answers;
  }

  /* ---- What is said of it ---- */

  /* What came about while the page is open: that an entry had to be kept, how many were sent, where the last one led. */
  let news = { sent: 0, led: "" };
  const box = document.createElement("div"), status = document.createElement("div"), refusals = document.createElement("div");
  status.setAttribute("role", "status");
  box.tabIndex = -1;
  box.append(status, refusals);

  function place(form) {
    if (form) form.parentNode.insertBefore(box, form.nextSibling);
    else document.querySelector("main").prepend(box);
  }

  function element(name, kind, words) {
    const made = document.createElement(name);
    made.className = kind;
    made.textContent = words;
    return made;
  }

  function link(words, address) {
    const made = element("a", "button button-outline", words);
    made.href = address;
    return made;
  }

  function notice(kind, lines, actions) {
    const made = element("div", "notice notice-" + kind, "");
    lines.forEach(function (line) { if (line) made.append(element("p", "moment-text", line)); });
    if (actions.length) {
      made.append(element("div", "actions", ""));
      made.lastChild.append.apply(made.lastChild, actions);
    }
    return made;
  }

  function say(lines, actions) {
    const said = notice("info", lines, actions);
    if (status.innerHTML === said.outerHTML || !lines.join("") && !status.firstChild) return;
    status.textContent = "";
    if (lines.join("")) status.append(said);
  }

  /* Draws what is kept, and says how many wait. */
  async function show(signIn) {
    const kept = own(await change(function (entries, signs, all) { return all; }));
    const refused = kept.filter(function (entry) { return entry.refused; }), waiting = kept.length - refused.length;
    const actions = signIn ? [link(told.toSignIn, signIn)] : news.led ? [link(told.look, news.led)] : [];
    say([
      news.kept && waiting ? told.kept : "",
      news.sent ? told.sent.replace("{number}", news.sent) : "",
      waiting ? (signIn ? told.signFirst : told.waiting).replace("{number}", waiting) : "",
    ], actions);
    const drawn = refused.map(function (entry) { return entry.key; }).join(" ");
    if (drawn === refusals.dataset.drawn) return waiting;
    refusals.dataset.drawn = drawn;
    refusals.textContent = "";
    refused.forEach(function (entry) {
      const away = element("button", "button button-outline", told.drop);
      away.type = "button";
      away.addEventListener("click", async function () {
        await drop(entry.key);
        await show();
        box.focus();
      });
      const lines = [told.refused.replace("{title}", entry.title), entry.words, entry.refused];
      refusals.append(notice("bad", lines, [link(told.open, entry.page + "#outbox-" + entry.key), away]));
    });
    return waiting;
  }

  /* ---- Each form of the page ---- */

  function key(form) { return form.querySelector("[name=_key]"); }

  function fields(form, pressed) {
    const sent = Array.from(new FormData(form).entries());
    if (pressed && pressed.name) sent.push([pressed.name, pressed.value]);
    return sent.filter(function (field) {
      return field[0] !== "_key" && field[0] !== "_token" && (typeof field[1] === "string" || field[1].name);
    });
  }

  /* What was typed and chosen, as somebody reads it. */
  function words(form, pressed) {
    const said = Array.from(form.elements, function (each) {
      if (/^(checkbox|radio)$/.test(each.type)) return each.checked && each.labels[0] ? each.labels[0].textContent : "";
      if (each.type === "select-one") return each.value && each.selectedOptions[0].textContent;
      return /^(hidden|file|submit|button|fieldset)$/.test(each.type) ? "" : each.value;
    });
    if (pressed && pressed.name) said.push(pressed.textContent);
    return said.map(function (each) { return each.trim(); }).filter(Boolean).join("\n");
  }

  /* As without script: the server draws what comes of it, for a key it knows what came of it the first time. */
  function sendPlainly(form, pressed) {
    if (pressed && pressed.name) {
      const also = document.createElement("input");
      also.type = "hidden";
      also.name = pressed.name;
      also.value = pressed.value;
      form.append(also);
    }
    HTMLFormElement.prototype.submit.call(form);
  }

  /* An empty form under a fresh key. What the server drew into a form it had refused goes as well. */
  function empty(form) {
    const summary = document.querySelector(".error-summary");
    if (summary) {
      summary.remove();
      form.querySelectorAll("textarea, input.box").forEach(function (each) { each.defaultValue = ""; });
    }
    form.reset();
    delete form.dataset.reopened;
    key(form).value = newKey();
  }

  async function submit(form, pressed) {
    const entry = {
      key: key(form).value, owner: owner, at: Date.now(), action: path(form.getAttribute("action") || ""),
      page: path(""), title: (document.querySelector("h1") || form).textContent.trim(), words: words(form, pressed),
      fields: fields(form, pressed), refused: "",
    };
    try {
      await keep(form, entry);
    } catch (error) {
      sendPlainly(form, pressed);
      return;
    }
    news = { sent: 0, led: "" };
    place(form);
    say([told.sending], []);
    const watched = new Promise(function (resolve) { setTimeout(resolve, PATIENCE, {}); });
    const answer = (await Promise.race([deliver(), watched]))[entry.key];
    if (answer && (answer.led || answer.signIn)) {
      location.assign(answer.led || answer.signIn);
      return;
    }
    const waits = own(await change(function (entries, signs, all) { return all; })).some(function (each) {
      return each.key === entry.key && !each.refused;
    });
    if (!waits) {
      sendPlainly(form, pressed);
      return;
    }
    news.kept = true;
    empty(form);
    await show();
  }

  function take(form) {
    let pressed = null, busy = false;
    form.addEventListener("click", function (event) {
      const button = event.target.closest("button, input");
      if (button && button.type === "submit") pressed = button;
    });
    form.addEventListener("submit", async function (event) {
      if (pressed && pressed.hasAttribute("formaction")) return;
      event.preventDefault();
      if (busy) return;
      busy = true;
      await submit(form, pressed);
      busy = false;
    });
  }

  /* Fills the form of this page that the address names a refused entry for. */
  async function reopen() {
    const named = /^#outbox-(.+)/.exec(location.hash);
    if (!named) return;
    const entry = own(await change(function (entries, signs, all) { return all; })).find(function (each) {
      return each.key === named[1];
    });
    const alike = forms.filter(function (form) { return entry && path(form.getAttribute("action") || "") === entry.action; });
    const form = alike.find(function (each) { return hidden(each, entry); }) || alike[0];
    history.replaceState(null, "", path(""));
    if (!form) return;
    const boxes = Array.from(form.elements).filter(function (each) {
      return each.name && !/^(hidden|submit|button)$/.test(each.type);
    });
    boxes.forEach(function (each) { fill(each, values(entry, each.name)); });
    form.dataset.reopened = entry.key;
    (boxes[0] || form).focus();
  }

  function values(entry, name) {
    return entry.fields.filter(function (field) { return field[0] === name; }).map(function (field) { return field[1]; });
  }

  /* Whether the hidden fields of a form, which say what it is about, are those of the entry. */
  function hidden(form, entry) {
    return Array.from(form.querySelectorAll("[type=hidden]")).every(function (each) {
      return each.name.charAt(0) === "_" || values(entry, each.name)[0] === each.value;
    });
  }

  function fill(each, given) {
    if (/^(checkbox|radio)$/.test(each.type)) each.checked = given.indexOf(each.value) >= 0;
    else if (each.type !== "file") each.value = given[0] || "";
    else if (given.length) {
      try {
        const carried = new DataTransfer();
        given.forEach(function (file) { carried.items.add(file); });
        each.files = carried.files;
      } catch (error) { return; }
    }
  }

  /* ---- The page ---- */

  /* A form that was refused and drawn again has what was typed. */
  async function begin() {
    const token = document.querySelector("[name=_token]");
    await change(function (entries, signs) {
      signs.put({ account: told.account, token: token ? token.value : "" }, "present");
      forms.forEach(function (form) { entries.delete(key(form).value); });
    });
    place(forms[0]);
    forms.forEach(take);
    await reopen();
    await deliver();
    window.addEventListener("online", deliver);
    window.addEventListener("pageshow", deliver);
    window.addEventListener("hashchange", reopen);
    document.addEventListener("visibilitychange", function () { if (!document.hidden) deliver(); });
  }

  begin().catch(function () { return; });
})();
