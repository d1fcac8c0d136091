// What axe finds on the page, in words; with the size of targets, which it leaves out by itself.
async () => {
    const told = await axe.run(document, {
        resultTypes: ["violations"], preload: false, rules: {"target-size": {enabled: true}},
    });
    const inOneLine = text => text.replace(/\s+/g, " ").slice(0, 200);
    return told.violations.flatMap(rule => rule.nodes.map(
        node => `axe ${rule.id}: ${node.target.join(" ")}: ${inOneLine(node.failureSummary)}`
    ));
}
