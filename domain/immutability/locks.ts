import { repositoriesOf, tagsOf } from '../selector/selector.ts';
import type { ImmutableRule } from './decider.ts';
import type { TagDeed } from './events.ts';

/** What the rules of a project keep the tags of one of its repositories from. */
export interface TagLocks {
  /** Whether there is nothing that they forbid, or of the `deed` nothing. */
  isEmpty(deed?: TagDeed): boolean;
  /** Whether they forbid the deed; without one, whether they forbid anything. */
  forbid(tag: string, deed?: TagDeed): boolean;
}

export function locksOf(repository: string, rules: readonly ImmutableRule[]): TagLocks {
  const locks = rules
    .filter((rule) => !rule.isDisabled && repositoriesOf(rule.repositories)(repository))
    .map(({ tags, forbids, accessoryTags }) => ({ selects: tagsOf(tags), forbids, accessoryTags }));
  const byDeed = Object.groupBy(
    locks.flatMap((lock) => lock.forbids.map((deed) => ({ ...lock, deed }))),
    ({ deed }) => deed,
  );
  const against = (deed: TagDeed | undefined) => (deed === undefined ? locks : (byDeed[deed] ?? []));
  return {
    isEmpty: (deed) => against(deed).length === 0,
    forbid: (tag, deed) =>
      against(deed).some(
        ({ selects, accessoryTags }) => (accessoryTags || !isAccessoryTag(tag)) && selects(tag),
      ),
  };
}

/** Those of a repository that no rule is for. */
export const noLocks: TagLocks = { isEmpty: () => true, forbid: () => false };

/**
 * Whether clients keep something under the tag that belongs to the manifest whose digest it has, and change it as they
 * go: the signatures, attestations and bills of material of cosign, and the list of referrers (distribution-spec,
 * "Referrers Tag Schema").
 */
const isAccessoryTag = (tag: string): boolean =>
  /^sha(?:256|512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?$/.test(tag);
