/* The outbox: what is typed over a poor connection, or none, is kept in the browser and sent once.

   Pages work without. A form takes part that has data-outbox and an idempotency key. What is sent goes into IndexedDB
   first and then to the server; where no answer comes it stays, the form is ready for the next entry under a fresh key,
   and this page or the next one with this script sends it: the oldest first, one at a time in all tabs, as often as it
   takes, since the server applies a key once. What it refuses stays, with its reason, until somebody opens it in its
   form again or throws it away. An entry belongs to whoever typed it: the account, or the visitor the page knows.

   Nothing here needs https or a worker, so it runs in a closed network and in the browsers of messengers. The script
   element says whose page it is, where one signs in, and the words to show. */
"use strict";

(function () {
  const told = document.currentScript.dataset;
  if (!window.fetch || !window.AbortController || !window.crypto) return;

  /* Milliseconds: of looking on before the form is free for the next entry; of one attempt, with a tenth more for each
     byte of a file; between attempts, doubled each time; until an entry is too old, for the server knows a key for a
     week; and the most that a tab may reserve the sending for. */
  const LOOK = 8000, ATTEMPT = 30000, SOONEST = 5000, LATEST = 300000, AGE = 6 * 86400000, HOUR = 3600000;
  /* Answers that mean: later. */
  const LATER = [408, 425, 429, 502, 503, 504];

  const owner = told.account + " " + told.visitor, tab = thisTab();
  const forms = Array.from(document.querySelectorAll("form[data-outbox]")).filter(form => {
    return keyOf(form) && !form.querySelector("[type=password]");
  });

  function newKey() {
    return Array.from(crypto.getRandomValues(new Uint8Array(24)), byte => {
      return ("0" + byte.toString(16)).slice(-2);
    }).join("");
  }

  /* The same for the next page in this tab, which ends what this one is sending. */
  function thisTab() {
    const own = newKey();
    try {
      if (!sessionStorage.getItem("outbox")) sessionStorage.setItem("outbox", own);
      return sessionStorage.getItem("outbox");
    } catch (error) { return own; }
  }

  function keyOf(form) { return form.querySelector("[name=_key]"); }

  function path(address) {
    const meant = new URL(address, location.href);
    return meant.pathname + meant.search;
  }

  function actionOf(form) { return path(form.getAttribute("action") || ""); }

  /* ---- What is kept ---- */

  const opened = new Promise((resolve, reject) => {
    const request = indexedDB.open("outbox", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("entries", { keyPath: "key" });
      request.result.createObjectStore("signs");
    };
    request.onsuccess = () => { resolve(request.result); };
    request.onerror = () => { reject(request.error); };
  });

  /* One transaction, all of it or nothing, and no other tab's between. `work` is given the two stores, all entries in
     order, and the signs between tabs: whose page came last ("present") and who is sending. Its result comes back. */
  async function change(work) {
    const database = await opened;
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(["entries", "signs"], "readwrite");
      const entries = transaction.objectStore("entries"), signs = transaction.objectStore("signs");
      const all = entries.getAll(), present = signs.get("present"), sending = signs.get("sending");
      let result;
      sending.onsuccess = () => {
        all.result.sort((one, other) => one.number - other.number);
        result = work(entries, signs, all.result, present.result, sending.result);
      };
      transaction.oncomplete = () => { resolve(result); };
      transaction.onabort = () => { reject(transaction.error); };
    });
  }

  function own(all) { return all.filter(entry => entry.owner === owner); }

  function kept() { return change((entries, signs, all) => own(all)); }

  function keep(entry, instead) {
    return change((entries, signs, all) => {
      entry.number = all.length ? all[all.length - 1].number + 1 : 1;
      if (instead) entries.delete(instead);
      entries.put(entry);
    });
  }

  /* `forbidden` is the token it was sent with, where that may be why. */
  function refuse(entries, entry, reason, forbidden) {
    entries.put(Object.assign(entry, { refused: reason, forbidden: forbidden || "" }));
  }

  /* The oldest entry that waits and the token to send with it; null where another tab is sending, or where somebody
     else has signed in since this page came. */
  function turn() {
    return change((entries, signs, all, present, sending) => {
      const now = Date.now(), reserved = sending && sending.tab !== tab ? sending.until - now : 0;
      if (reserved > 0 && reserved < HOUR) return null;
      own(all).forEach(entry => {
        if (!entry.refused && now - entry.at > AGE) refuse(entries, entry, told.old);
      });
      const entry = own(all).find(each => !each.refused);
      if (!entry || present.account !== told.account) {
        signs.delete("sending");
        return null;
      }
      signs.put({ tab: tab, until: now + Math.min(patience(entry) + SOONEST, HOUR) }, "sending");
      return { entry: entry, token: present.token };
    });
  }

  function settle(entry, answer) {
    return change((entries, signs) => {
      if (answer.taken) entries.delete(entry.key);
      else if (answer.refused) refuse(entries, entry, answer.refused, answer.forbidden);
      else signs.delete("sending");
    });
  }

  /* ---- Sending ---- */

  function patience(entry) {
    return entry.fields.reduce((sum, field) => sum + (field[1].size || 0) / 10, ATTEMPT);
  }

  /* What came of one attempt: taken, and `led` where the server leads to; or refused, the reason; or signIn, where to;
     or wait, milliseconds. */
  async function send(entry, token) {
    const form = new FormData(), stop = new AbortController();
    entry.fields.concat([["_key", entry.key]], token ? [["_token", token]] : []).forEach(field => {
      form.append(field[0], field[1]);
    });
    const onlyWords = entry.fields.every(field => typeof field[1] === "string");
    const timer = setTimeout(() => { stop.abort(); }, patience(entry));
    try {
      const body = onlyWords ? new URLSearchParams(form) : form;
      const how = { method: "POST", body: body, credentials: "same-origin", signal: stop.signal };
      const response = await fetch(entry.action, how), again = response.headers.get("Retry-After");
      /* A proxy or the portal of a network answers as well, and has taken nothing. */
      const ours = response.headers.has("Cross-Origin-Resource-Policy") || response.status === 413;
      if (!ours || LATER.indexOf(response.status) >= 0) return { wait: 1000 * again || 0 };
      const forbidden = response.status === 403 ? token : "";
      if (!response.ok) return { refused: reasonIn(await response.text()), forbidden: forbidden };
      const led = response.redirected ? path(response.url) : "";
      return led.split("?")[0] === told.signIn ? { signIn: led } : { taken: true, led: led };
    } catch (error) {
      return { wait: 0 };
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
  }

  function reasonIn(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const summary = page.querySelectorAll(".error-summary p, .error-summary li");
    const lines = summary.length ? summary : page.querySelectorAll("main .lead");
    return Array.from(lines, line => line.textContent.trim()).join("\n") || told.unclear;
  }

  const answers = {};
  let last = Promise.resolve(), coming = null, timer = 0, pause = SOONEST;

  /* Sends what waits, once what is being sent already is through. */
  function deliver() {
    if (!coming) {
      coming = last.then(sendAll);
      last = coming.catch(() => { return; });
    }
    return last;
  }

  async function sendAll() {
    coming = null;
    clearTimeout(timer);
    let answer = {}, mine = await turn();
    while (mine) {
      answer = answers[mine.entry.key] = await send(mine.entry, mine.token);
      await settle(mine.entry, answer);
      if (answer.taken) {
        news.sent++;
        news.led = answer.led;
        pause = SOONEST;
      }
      mine = answer.taken || answer.refused ? await turn() : null;
    }
    news.signIn = answer.signIn;
    if (await show()) {
      timer = setTimeout(deliver, Math.max(pause, answer.wait || 0));
      pause = Math.min(2 * pause, LATEST);
    }
  }

  /* ---- What is said of it ---- */

  /* Since somebody last sent something: whether it had to be kept, how much went, where the last of it led, and where
     to sign in before more can go. */
  let news = { kept: false, sent: 0, led: "", signIn: "" };
  const box = element("div", "outbox"), status = element("div", ""), refusals = element("div", "");
  box.tabIndex = -1;
  status.setAttribute("role", "status");
  box.append(status, refusals);

  function place(form) {
    const place = form.closest("table") || form;
    place.parentNode.insertBefore(box, place.nextSibling);
  }

  function element(name, kind, words) {
    const made = document.createElement(name);
    made.className = kind;
    made.textContent = words || "";
    return made;
  }

  function link(words, address) {
    const made = element("a", "button button-outline", words);
    made.href = address;
    return made;
  }

  function notice(kind, lines, actions) {
    const made = element("div", "notice notice-" + kind), row = element("div", "actions");
    lines.filter(Boolean).forEach(line => { made.append(element("p", "moment-text", line)); });
    if (kind === "bad") made.firstChild.className = "notice-title";
    row.append.apply(row, actions);
    if (actions.length) made.append(row);
    return made;
  }

  /* What is there already is not said again. */
  function say(lines, actions) {
    const said = lines.join("") ? notice("info", lines, actions) : "";
    if (status.innerHTML === (said && said.outerHTML)) return;
    status.textContent = "";
    status.append(said);
  }

  /* Draws what is kept; comes back with how many wait. */
  async function show() {
    const entries = await kept(), refused = entries.filter(entry => entry.refused);
    const waiting = entries.length - refused.length;
    const lines = [
      news.kept && waiting ? told.kept : "",
      news.sent ? told.sent.replace("{number}", news.sent) : "",
      waiting ? (news.signIn ? told.first : told.waiting).replace("{number}", waiting) : "",
    ];
    const on = news.signIn ? link(told.toSignIn, news.signIn) : news.led ? link(told.look, news.led) : null;
    say(lines, on ? [on] : []);
    const drawn = refused.map(entry => entry.key).join(" ");
    if (refusals.dataset.drawn === drawn) return waiting;
    refusals.dataset.drawn = drawn;
    refusals.textContent = "";
    refused.forEach(entry => {
      const away = element("button", "button button-outline", told.drop);
      away.type = "button";
      away.addEventListener("click", async () => {
        await change(store => { store.delete(entry.key); });
        await show();
        box.focus();
      });
      const open = link(told.open, entry.page + "#outbox-" + entry.key);
      const lines = [told.refused.replace("{title}", entry.title), entry.refused, entry.words];
      refusals.append(notice("bad", lines, [open, away]));
    });
    return waiting;
  }

  /* ---- Each form of the page ---- */

  function fieldsOf(form, pressed) {
    const fields = Array.from(new FormData(form).entries());
    if (pressed && pressed.name) fields.push([pressed.name, pressed.value]);
    return fields.filter(field => {
      return field[0] !== "_key" && field[0] !== "_token" && (typeof field[1] === "string" || field[1].name);
    });
  }

  function titleOf(form) { return (document.querySelector("h1") || form).textContent.trim(); }

  function labelOf(box) { return box.labels.length ? box.labels[0].textContent : ""; }

  /* What was typed and chosen, for somebody to read. */
  function wordsOf(form, pressed) {
    const words = Array.from(form.elements, each => {
      if (/^(checkbox|radio)$/.test(each.type)) return each.checked ? labelOf(each) : "";
      if (each.tagName === "SELECT") return each.value ? each.selectedOptions[0].textContent : "";
      return /^(hidden|file|submit|button|fieldset)$/.test(each.type) ? "" : each.value;
    });
    if (pressed && pressed.name) words.push(pressed.textContent);
    return words.map(each => each.trim()).filter(Boolean).join("\n");
  }

  /* As without script: the server draws what comes of it; of a key it knows, what came of it the first time. */
  function sendPlainly(form, pressed) {
    const also = element("input", "");
    also.type = "hidden";
    also.name = pressed ? pressed.name : "";
    also.value = pressed ? pressed.value : "";
    form.append(also);
    HTMLFormElement.prototype.submit.call(form);
  }

  /* As empty as it was drawn; what the server drew into a form it had refused goes as well. */
  function clear(form) {
    if (form.querySelector("[aria-invalid]")) {
      form.querySelectorAll("textarea, input.box").forEach(each => { each.defaultValue = ""; });
    }
    form.reset();
  }

  async function submit(form, pressed) {
    const key = keyOf(form).value, fields = fieldsOf(form, pressed);
    await keep({
      key: key, owner: owner, at: Date.now(), action: actionOf(form), page: path(""), title: titleOf(form),
      words: wordsOf(form, pressed), fields: fields, refused: "",
    }, form.dataset.reopened);
    news = { kept: false, sent: 0, led: "", signIn: "" };
    place(form);
    say([told.sending], []);
    await Promise.race([deliver(), new Promise(resolve => { setTimeout(resolve, LOOK); })]);
    const answer = answers[key] || {}, led = answer.led || answer.signIn;
    const waits = (await kept()).some(entry => entry.key === key && !entry.refused);
    if (led) location.assign(led);
    else if (!waits) sendPlainly(form, pressed);
    else {
      news.kept = true;
      /* Somebody may be writing the next one already. */
      if (JSON.stringify(fieldsOf(form, pressed)) === JSON.stringify(fields)) clear(form);
      delete form.dataset.reopened;
      keyOf(form).value = newKey();
      await show();
    }
  }

  /* The button pressed last; a form may have some outside of it. */
  let button = null;
  document.addEventListener("click", event => { button = event.target.closest("button, input"); }, true);

  function take(form) {
    let busy = false;
    form.addEventListener("submit", async event => {
      const pressed = button && button.form === form ? button : null;
      /* What asks for the same form in another way sends nothing. */
      if (pressed && (pressed.name.charAt(0) === "_" || pressed.hasAttribute("formaction"))) return;
      event.preventDefault();
      if (busy) return;
      busy = true;
      try { await submit(form, pressed); } catch (error) { sendPlainly(form, pressed); }
      busy = false;
    });
  }

  /* ---- A refused entry in its form again: the address names it after its # ---- */

  function valuesOf(entry, name) {
    return entry.fields.filter(field => field[0] === name).map(field => field[1]);
  }

  /* A page may have a form for each of several things, told apart by what they hide. */
  function isOf(entry, form) {
    return actionOf(form) === entry.action && Array.from(form.elements).every(each => {
      return each.type !== "hidden" || each.name.charAt(0) === "_" || valuesOf(entry, each.name)[0] === each.value;
    });
  }

  function fill(each, given) {
    if (/^(checkbox|radio)$/.test(each.type)) each.checked = given.indexOf(each.value) >= 0;
    else if (each.type !== "file") each.value = given[0] || "";
    else if (window.DataTransfer) {
      const files = new DataTransfer();
      given.forEach(file => { files.items.add(file); });
      each.files = files.files;
    }
  }

  async function reopen() {
    const named = location.hash.replace("#outbox-", "");
    const entry = (await kept()).find(each => each.key === named && each.refused);
    const form = entry && forms.find(each => isOf(entry, each));
    if (!form) return;
    const boxes = Array.from(form.elements).filter(each => {
      return each.name && !/^(hidden|submit|button|fieldset)$/.test(each.type);
    });
    form.dataset.reopened = entry.key;
    boxes.forEach(each => { fill(each, valuesOf(entry, each.name)); });
    if (boxes.length) boxes[0].focus();
  }

  /* ---- The page ---- */

  async function begin() {
    const hidden = document.querySelector("[name=_token]"), token = hidden ? hidden.value : "";
    const drawn = forms.map(form => keyOf(form).value);
    await change((entries, signs, all) => {
      signs.put({ account: told.account, token: token }, "present");
      own(all).filter(entry => entry.refused).forEach(entry => {
        /* The server drew it into its form again; or it was sent when somebody else had signed in. */
        if (drawn.indexOf(entry.key) >= 0) entries.delete(entry.key);
        else if (entry.forbidden && entry.forbidden !== token) refuse(entries, entry, "");
      });
    });
    document.querySelector("main").prepend(box);
    forms.forEach(take);
    window.addEventListener("online", deliver);
    window.addEventListener("pageshow", event => { if (event.persisted) deliver(); });
    window.addEventListener("hashchange", reopen);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) deliver(); });
    await show();
    await reopen();
    await deliver();
  }

  begin().catch(() => { return; });
})();
