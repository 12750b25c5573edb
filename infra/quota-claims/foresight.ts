import { Refusal } from '../../domain/refusal.ts';
import type { LedgerPorts } from './ledger.ts';
import type { Announced } from './port.ts';

/** What is smaller is taken and counted when all of it is there; bytes. */
const smallBytes = 2 ** 20;
/** How long it is good enough to know what a project holds, in milliseconds, and of how many projects that is kept. */
const [knownMs, maxProjects] = [1000, 1000];

/** See `QuotaLedger.requireRoom`. Large uploads ask one question a second for each project. */
export function foreseeRoom({ claims, limitOf, shown }: Pick<LedgerPorts, 'claims' | 'limitOf' | 'shown'>) {
  const known = new Map<string, { readonly used: Promise<number>; readonly at: number }>();

  function usedLately(project: string): Promise<number> {
    const found = known.get(project);
    if (found !== undefined && performance.now() - found.at < knownMs) return found.used;
    if (known.size >= maxProjects) known.clear();
    const used = claims.used(project);
    known.set(project, { used, at: performance.now() });
    return used;
  }

  const isHeld = async ({ project, digest, size }: Announced): Promise<boolean> =>
    digest === undefined
      ? claims.holdsAsLarge(project, size)
      : (await claims.held(project, [{ kind: 'blob', digest }])).length > 0;

  return async (announced: Announced): Promise<void> => {
    const { project, size } = announced;
    if (size <= smallBytes) return;
    const limit = (await limitOf(project))?.bytes;
    if (limit === undefined || size <= limit - (await usedLately(project))) return;
    // Something may have been deleted a moment ago.
    await shown();
    const used = await claims.used(project);
    if (size <= limit - used || (await isHeld(announced))) return;
    throw new Refusal({ kind: 'quota-exceeded', adding: size, used, limit });
  };
}
