import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type Digest, digestFrom } from '../../domain/digest.ts';
import type { Access } from './access.ts';
import { shows } from './answer-forms.ts';
import { notFound } from './faults.ts';
import { operation } from './operation.ts';

/** What is drawn within 24 by 24, by the types of artifacts and accessories. */
const drawings = {
  IMAGE: '<path d="m12 2 9 5v10l-9 5-9-5V7z"/><path d="m3 7 9 5 9-5M12 12v10"/>',
  CHART:
    '<circle cx="12" cy="12" r="4"/><path d="M12 2v6M12 16v6M2 12h6M16 12h6M5 5l4 4M15 15l4 4M19 5l-4 4M9 15l-4 4"/>',
  CNAB: '<path d="M3 8h18v12H3zM3 8l3-5h12l3 5M12 3v5M9 13h6"/>',
  WASM: '<path d="M3 3h6a3 3 0 0 0 6 0h6v18H3z"/><path d="m6 12 1.5 6L9 13l1.5 5 1.5-6M14 18l2-6 2 6M15 16h2"/>',
  CNAI: '<circle cx="5" cy="6" r="2"/><circle cx="5" cy="18" r="2"/><circle cx="19" cy="12" r="2"/><circle cx="12" cy="12" r="2"/><path d="m7 7 4 4M7 17l4-4M14 12h3"/>',
  SBOM: '<path d="M5 2h9l5 5v15H5zM14 2v5h5M8 12h8M8 16h8"/>',
  signature: '<circle cx="12" cy="9" r="6"/><path d="m9 9 2 2 4-4M8 14l-1 8 5-3 5 3-1-8"/>',
  accelerator: '<path d="M13 2 4 14h7l-1 8 9-12h-7z"/>',
  other: '<path d="M4 4h16v16H4zM4 9h16M9 9v11"/>',
} as const;
type Drawing = keyof typeof drawings;

const accessories: Readonly<Record<string, Drawing>> = {
  'signature.cosign': 'signature',
  'signature.notation': 'signature',
  'accelerator.nydus': 'accelerator',
  'sbom.harbor': 'SBOM',
};

interface Icon {
  readonly digest: Digest;
  readonly svg: string;
}

const drawn = (drawing: string): Icon => {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48" viewBox="0 0 24 24" fill="none" stroke="#37474f" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">${drawing}</svg>`;
  return { svg, digest: digestFrom('sha256', createHash('sha256').update(svg).digest('hex')) };
};

const icons: ReadonlyMap<string, Icon> = new Map(
  Object.entries(drawings).map(([name, drawing]) => [name, drawn(drawing)]),
);
const other = drawn(drawings.other);

/** The icon of an artifact or accessory of this type, by the digest under which it can be had. */
export const iconOf = (type: string): Digest => {
  const name = Object.hasOwn(accessories, type) ? accessories[type] : type;
  return (icons.get(name ?? type) ?? other).digest;
};

/** Harbor's `icon` operation. */
export function iconRoutes(api: FastifyInstance, access: Access): void {
  operation(
    api,
    {
      id: 'getIcon',
      tag: 'icon',
      method: 'GET',
      path: '/icons/:digest',
      summary: 'The icon that an artifact names by its digest.',
      answer: shows(
        z
          .object({ 'content-type': z.string(), content: z.string().describe('In base64') })
          .meta({ id: 'Icon' }),
      ),
    },
    async ({ request, path: { digest } }) => {
      await access.anyone(request);
      const icon = [...icons.values()].find((known) => known.digest === digest);
      if (icon === undefined) throw notFound(`the icon ${digest} not found`);
      return { 'content-type': 'image/svg+xml', content: Buffer.from(icon.svg).toString('base64') };
    },
  );
}
