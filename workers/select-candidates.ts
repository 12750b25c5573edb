import { turns } from '../commands/turns.ts';
import type { Candidate, RuleHere } from '../domain/retention/evaluate.ts';

/** The rules with what they select of the candidates already found out, which can take long: others get their turns. */
export async function selectCandidates<Rule extends RuleHere>(
  rules: readonly Rule[],
  candidates: readonly Pick<Candidate, 'tags'>[],
): Promise<readonly Rule[]> {
  const giveWay = turns();
  const found: Rule[] = [];
  for (const rule of rules) {
    const selected = new Set<Candidate['tags']>();
    for (const { tags } of candidates) {
      if (rule.selects(tags)) selected.add(tags);
      await giveWay();
    }
    found.push({ ...rule, selects: (tags) => selected.has(tags) });
  }
  return found;
}
