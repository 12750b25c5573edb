import type { ByteRange } from '../../infra/blob-store/port.ts';
import { RequestRefused } from '../errors.ts';

/**
 * The one range that `header` asks for of `size` bytes (RFC 9110 section 14), cut to the size; undefined where the
 * whole is to be sent: no header, another unit, or several ranges, which a registry need not serve.
 * @throws RequestRefused 416 for a range that lies outside or is reversed.
 */
export function readRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/i.exec(header?.trim() ?? '');
  const [, from, to] = match ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  const range =
    from === ''
      ? { start: Math.max(0, size - Number(to)), end: size - 1 }
      : { start: Number(from), end: to === '' ? size - 1 : Math.min(Number(to), size - 1) };
  if (range.start < size && range.start <= range.end) return range;
  throw new RequestRefused({
    status: 416,
    code: 'RANGE_INVALID',
    message: `the content has ${size} bytes`,
    headers: { 'content-range': `bytes */${size}` },
  });
}

/**
 * All of `size` bytes as a range, so that the store fails where it holds fewer: the client was promised `size` and
 * would wait for the rest. Undefined where there is no byte to ask for.
 */
export const wholeRange = (size: number): ByteRange | undefined =>
  size === 0 ? undefined : { start: 0, end: size - 1 };

/**
 * Where a chunk starts: `Content-Range: <first>-<last>` (distribution-spec, "Pushing a blob in chunks"; no unit, no
 * total), or `end` without one. @throws RequestRefused 400 for a malformed or contradictory header.
 */
export function readChunkStart(range: string | undefined, length: string | undefined, end: number): number {
  if (range === undefined) return end;
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(range);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || last < first) {
    const message = 'Content-Range of a chunk is <first byte>-<last byte>';
    throw new RequestRefused({ status: 400, code: 'BLOB_UPLOAD_INVALID', message });
  }
  if (length !== undefined && Number(length) !== last - first + 1) {
    const message = `Content-Range spans ${last - first + 1} bytes, Content-Length is ${length}`;
    throw new RequestRefused({ status: 400, code: 'SIZE_INVALID', message });
  }
  return first;
}
