/** Declares in the contract of an endpoint whether a token is needed, and the answers of the decision. */
import { mayBeForbidden } from '../access/decide.ts'
import type { Endpoint } from './http/endpoint.ts'
import { problemResponses } from './v1/schemas.ts'

/** Names of the schemes in the documents: a token as Bearer, or as the password of Basic. */
export const securitySchemes = {
  token: { type: 'http', scheme: 'bearer', description: 'A token, `sp_…`' },
  password: { type: 'http', scheme: 'basic', description: 'Any user name, and a token as the password' },
} as const

export function withAccess(endpoint: Endpoint): Endpoint {
  const { access, contract } = endpoint
  const isAsked = access.action !== 'ask'
  const isLimited = 'paths' in access || mayBeForbidden(access.action)
  const answers = isAsked
    ? problemResponses(isLimited ? ['unauthorized', 'forbidden'] : ['unauthorized'])
    : {}
  const security = isAsked ? Object.keys(securitySchemes).map((name) => ({ [name]: [] })) : []
  return {
    ...endpoint,
    contract: { ...contract, security, responses: { ...contract.responses, ...answers } },
  }
}
