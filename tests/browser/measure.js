// What runs off the side of the page, and what is too small to press, in words: `least` px is the smallest side of
// what is pressed, but for links inside a sentence; `width` px is all there is.
([least, width]) => {
    const found = [];
    const shortened = element => element.outerHTML.replace(/\s+/g, " ").slice(0, 110);

    const runsOff = element => element.getBoundingClientRect().right > width + 1;
    if (document.documentElement.scrollWidth > width) {
        const wide = [...document.querySelectorAll("body *")];
        const culprits = wide.filter(each => runsOff(each) && ![...each.children].some(runsOff)).slice(0, 3);
        found.push(`is ${document.documentElement.scrollWidth} px wide: ${culprits.map(shortened).join(" ")}`);
    }

    // What is laid over or around an element by ::before or ::after is pressed with it.
    const around = (element, which) => {
        const style = getComputedStyle(element, which);
        if (style.content === "none" || style.position !== "absolute") return [];
        const within = getComputedStyle(element).position === "static" ? element.offsetParent : element;
        const [box, side] = [within.getBoundingClientRect(), name => parseFloat(style[name])];
        const [left, top] = [box.left + side("left"), box.top + side("top")];
        const [right, bottom] = [box.right - side("right"), box.bottom - side("bottom")];
        return [{left, top, right, bottom, width: right - left}];
    };
    const pressed = element => {
        const elements = [element, ...(["radio", "checkbox"].includes(element.type) ? element.labels : [])];
        const boxes = elements.flatMap(
            each => [each.getBoundingClientRect(), ...around(each, "::before"), ...around(each, "::after")]
        ).filter(each => each.width > 1);
        const side = (furthest, name) => furthest(...boxes.map(each => each[name]));
        const [right, bottom] = [side(Math.max, "right"), side(Math.max, "bottom")];
        return {right, bottom, width: right - side(Math.min, "left"), height: bottom - side(Math.min, "top")};
    };

    const inSentence = element => {
        const isInline = each => getComputedStyle(each).display === "inline";
        if (!isInline(element)) return false;
        let block = element.parentElement;
        while (isInline(block)) block = block.parentElement;
        const rest = block.cloneNode(true);
        rest.querySelectorAll("a, button").forEach(each => each.remove());
        return /[\p{L}\p{N}]{2}/u.test(rest.textContent);
    };

    const targets = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button]";
    for (const element of document.querySelectorAll(targets)) {
        if (!element.checkVisibility({visibilityProperty: true}) || inSentence(element)) continue;
        const {right, bottom, width, height} = pressed(element);
        const isUnseen = right <= 0 || bottom <= 0 || width <= 1 || height <= 1;
        if (!isUnseen && (width < least - 0.5 || height < least - 0.5))
            found.push(`${Math.round(width)} x ${Math.round(height)} px to press: ${shortened(element)}`);
    }
    return found;
}
