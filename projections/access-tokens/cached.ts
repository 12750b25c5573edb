import { type CachedQuestion, everything } from '../../infra/database/cached-question.ts';
import { type AccessTokensEvent, accessTokens } from './projection.ts';

/** `findAccessToken` */
export const accessTokenQuestion: CachedQuestion<AccessTokensEvent, [tokenId: number]> = {
  view: accessTokens,
  subjectOf: (tokenId) => String(tokenId),
  touchedBy: (event) => (event.type === 'UserDeleted' ? everything : [String(event.data.tokenId)]),
};
