import type { SearchPorts } from '../gateway/api/search.ts';
import type { ViewDatabase } from '../infra/database/projection.ts';
import { searchFor } from '../projections/search/queries.ts';
import type { Current } from './api-parts.ts';

/** What the search asks the views. */
export const searchParts = (kysely: ViewDatabase, current: Current): SearchPorts => ({
  searchFor: current(searchFor.bind(undefined, kysely)),
});
