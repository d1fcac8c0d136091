// What axe finds on the page, in words; with the size of targets, which it leaves out by itself.
async () => {
    loadAxe();
    // A page has few colours, and axe reads each of them hundreds of times, which takes a third of its time.
    const {Color} = axe.commons.color;
    const [parse, known] = [Color.prototype.parseString, new Map()];
    Color.prototype.parseString = function (text) {
        if (!known.has(text)) known.set(text, parse.call(new Color(), text));
        const {r, g, b, alpha} = known.get(text);
        return Object.assign(this, {r, g, b, alpha});
    };
    const told = await axe.run(document, {
        resultTypes: ["violations"], preload: false, rules: {"target-size": {enabled: true}},
    });
    const inOneLine = text => text.replace(/\s+/g, " ").slice(0, 200);
    return told.violations.flatMap(rule => rule.nodes.map(
        node => `axe ${rule.id}: ${node.target.join(" ")}: ${inOneLine(node.failureSummary)}`
    ));
}
