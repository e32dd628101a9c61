/** The stacks of layers that can be merged; several are told apart by how their names begin. */
import { stackName } from '../store/describe.ts';
import { formatInteger } from '../store/format.ts';
import type { GroupSummary, ModelSummary } from '../store/types.ts';
import { TableScroll } from './table-scroll.tsx';

export function GroupsTable({ model }: { model: ModelSummary }) {
  return (
    <div className="groups">
      <p className="note">
        Layers of equal shape, in execution order. Within a group, neighbours can be merged.
      </p>
      <TableScroll label="Groups of layers">
        <table aria-label="FFN groups" className="table groups-table">
          <thead>
            <tr>
              <th scope="col">FFN group</th>
              <th scope="col" className="number">
                Layers
              </th>
              <th scope="col" className="number">
                d_model
              </th>
              <th scope="col" className="number">
                d_ff
              </th>
              <th scope="col">Activation</th>
              <th scope="col" className="number">
                Parameters per FFN
              </th>
            </tr>
          </thead>
          <tbody>
            {model.groups.map((group) => (
              <tr key={group.id}>
                <th scope="row" className="code">
                  <GroupName group={group} groups={model.groups} />
                </th>
                <NumberCell value={group.layers} />
                <NumberCell value={group.dModel} />
                <NumberCell value={group.dFf} />
                <td>{group.activation}</td>
                <NumberCell value={group.parametersPerFfn} />
              </tr>
            ))}
          </tbody>
        </table>
      </TableScroll>
    </div>
  );
}

function GroupName({ group, groups }: { group: GroupSummary; groups: readonly GroupSummary[] }) {
  const start = stackName(groups, group.id);
  if (!start) return group.name;
  return (
    <>
      {start}
      <span className="group-rest">{group.name.slice(start.length)}</span>
    </>
  );
}

function NumberCell({ value }: { value: number }) {
  return (
    <td className="number">
      <data value={String(value)}>{formatInteger(value)}</data>
    </td>
  );
}
