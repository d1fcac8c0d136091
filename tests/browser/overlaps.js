// Words that stand on other words, or that are cut off by what they stand in.
() => {
    const found = [];
    // What is there for screen readers alone.
    const isUnseen = element =>
        element !== null && (getComputedStyle(element).clip !== "auto" || isUnseen(element.parentElement));
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const lines = [];
    for (let node = words.nextNode(); node; node = words.nextNode()) {
        const parent = node.parentElement;
        if (!node.textContent.trim() || !parent.checkVisibility({visibilityProperty: true})) continue;
        if (parent.closest("option, script, svg, .skip") || isUnseen(parent)) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const box of range.getClientRects()) if (box.width > 2) lines.push({box, text: node.textContent.trim()});
        for (let each = parent; each !== document.body; each = each.parentElement) {
            const style = getComputedStyle(each);
            const cutsAcross = style.overflowX === "hidden" && each.scrollWidth > each.clientWidth + 1;
            const cutsDown = style.overflowY === "hidden" && each.scrollHeight > each.clientHeight + 1;
            if (cutsAcross || cutsDown)
                found.push(`cut off: ${node.textContent.trim().slice(0, 30)} in ${each.className || each.tagName}`);
        }
    }
    const shared = (one, other, from, to) => Math.min(one[to], other[to]) - Math.max(one[from], other[from]);
    lines.forEach((one, number) => lines.slice(number + 1).forEach(other => {
        const height = Math.min(one.box.height, other.box.height);
        if (shared(one.box, other.box, "left", "right") > 2 && shared(one.box, other.box, "top", "bottom") > height * 0.4)
            found.push(`one on the other: ${one.text.slice(0, 20)} / ${other.text.slice(0, 20)}`);
    }));
    return [...new Set(found)];
}
