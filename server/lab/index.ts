/** The endpoints of the laboratory: served only with the option `lab`. */
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { labClockEndpoints } from './clock-endpoints.ts'
import { labEndpoint, labPath } from './door.ts'
import { labFaultEndpoints } from './fault-endpoints.ts'
import { openApi } from './openapi.ts'
import { labServerEndpoints } from './server-endpoints.ts'

export const labEndpoints: readonly Endpoint[] = [
  endpoint({
    ...labEndpoint,
    method: 'GET',
    path: `${labPath}/openapi.json`,
    handle: () => openApi,
  }),
  ...labClockEndpoints,
  ...labServerEndpoints,
  ...labFaultEndpoints,
]
