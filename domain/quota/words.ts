import { warningShare } from './decider.ts';

const byteUnits = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** As Harbor shows them: `512 B`, `1.5 MiB`. */
function shownBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), byteUnits.length);
  return `${(bytes / 1024 ** power).toFixed(1)} ${byteUnits[power - 1]}`;
}

interface Held {
  /** In bytes. */
  readonly used: number;
  readonly storage: number;
}

/** What Harbor says of a push that is refused. */
export const exceededWords = ({ adding, used, storage }: Held & { readonly adding: number }): string =>
  `adding ${shownBytes(adding)} of storage resource, which when updated to current usage of ${shownBytes(used)} will exceed the configured upper limit of ${shownBytes(storage)}.`;

/** What Harbor says of a project that has not much left. */
export const warnedWords = ({ used, storage }: Held): string =>
  `quota usage reach ${Math.round(warningShare * 100)}%: resource storage used ${shownBytes(used)} of ${shownBytes(storage)}`;
