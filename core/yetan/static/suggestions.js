/* Suggestions under a search box while somebody types: an ARIA combobox with a list.

   The page works without: the box is sent as a form, and /search/suggest is the same as a page. So where anything is
   missing (an old browser, the network, somebody's wish to save data) nothing happens. The script element says which
   box, where to ask, and the words to show: data-box, data-from, data-label, data-count ({count} stands for a number). */
"use strict";

(function () {
  const told = document.currentScript.dataset;
  const box = document.getElementById(told.box);
  const network = navigator.connection || {};
  const supported = window.fetch && window.AbortController;
  if (!box || !box.form || !supported || network.saveData || /2g/.test(network.effectiveType || "")) return;

  /* Milliseconds: of quiet before asking, of waiting for an answer, of asking nothing more after a failure. */
  const QUIET = 200, PATIENCE = 3000, REST = 30000;
  const LONGEST = 40;

  const answers = new Map();
  let options = [], chosen = -1, composing = false, restUntil = 0, timer = 0, asking = null;

  const list = document.createElement("ul");
  list.id = box.id + "-suggestions";
  list.className = "suggestions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", told.label);
  list.hidden = true;
  const status = document.createElement("p");
  status.className = "unseen";
  status.setAttribute("role", "status");
  box.parentNode.classList.add("suggesting");
  box.parentNode.append(list, status);

  /* A search box may not be a combobox, a text box may. */
  box.type = "text";
  box.autocomplete = "off";
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", list.id);
  box.setAttribute("aria-expanded", "false");

  function written() {
    return box.value.trim();
  }

  function forget() {
    clearTimeout(timer);
    if (asking) asking.abort();
    asking = null;
  }

  function close() {
    forget();
    if (list.hidden) return;
    list.hidden = true;
    box.setAttribute("aria-expanded", "false");
    mark(-1);
  }

  function mark(number) {
    if (options[chosen]) options[chosen].setAttribute("aria-selected", "false");
    chosen = number;
    if (!options[chosen]) {
      box.removeAttribute("aria-activedescendant");
      return;
    }
    options[chosen].setAttribute("aria-selected", "true");
    options[chosen].scrollIntoView({block: "nearest"});
    box.setAttribute("aria-activedescendant", options[chosen].id);
  }

  function show(texts) {
    if (!texts.length) {
      close();
      return;
    }
    mark(-1);
    options = texts.map((text, number) => {
      const option = document.createElement("li");
      option.id = list.id + "-" + number;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.textContent = text;
      return option;
    });
    list.textContent = "";
    list.append(...options);
    list.hidden = false;
    box.setAttribute("aria-expanded", "true");
    status.textContent = told.count.replace("{count}", texts.length);
  }

  function take(option) {
    box.value = option.textContent;
    close();
    box.form.submit();
  }

  async function ask() {
    forget();
    const text = written();
    if (!text || text.length > LONGEST || composing || navigator.onLine === false || Date.now() < restUntil) {
      close();
      return;
    }
    if (answers.has(text)) {
      show(answers.get(text));
      return;
    }
    const mine = asking = new AbortController();
    const patience = setTimeout(() => mine.abort(), PATIENCE);
    try {
      const answer = await fetch(told.from + "?q=" + encodeURIComponent(text), {
        signal: mine.signal, credentials: "same-origin", redirect: "error", headers: {Accept: "application/json"},
      });
      if (!answer.ok) throw new Error(answer.status);
      const texts = (await answer.json()).items;
      answers.set(text, texts);
      if (asking === mine && written() === text && document.activeElement === box) show(texts);
    } catch (error) {
      /* Not because somebody typed on: the server is busy, gone, or knows nobody here any more. */
      if (asking === mine) {
        restUntil = Date.now() + REST;
        close();
      }
    } finally {
      clearTimeout(patience);
    }
  }

  function askSoon() {
    forget();
    if (!written()) close();
    timer = setTimeout(ask, QUIET);
  }

  box.addEventListener("compositionstart", () => {
    composing = true;
    close();
  });
  /* Until an input method has put its characters down, what stands in the box is not what was meant. */
  box.addEventListener("compositionend", () => {
    composing = false;
    askSoon();
  });
  box.addEventListener("input", event => {
    if (!composing && !event.isComposing) askSoon();
  });

  box.addEventListener("keydown", event => {
    if (composing || event.isComposing || event.keyCode === 229) return;
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (step) {
      event.preventDefault();
      if (list.hidden) ask();
      else mark((chosen + 1 + step + options.length + 1) % (options.length + 1) - 1);
    } else if (event.key === "Enter" && !list.hidden && options[chosen]) {
      event.preventDefault();
      take(options[chosen]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === "Home" || event.key === "End" || event.key === "ArrowLeft" || event.key === "ArrowRight") {
      mark(-1);
    }
  });

  /* The box keeps the focus while the list is pressed, so that leaving the box closes the list. */
  list.addEventListener("mousedown", event => event.preventDefault());
  list.addEventListener("click", event => {
    const option = event.target.closest("[role=option]");
    if (option) take(option);
  });
  box.addEventListener("blur", close);
  box.form.addEventListener("submit", close);
  window.addEventListener("pagehide", close);
})();
