/** The stacks of layers that can be merged; several are told apart by how their names begin. */
import { Fragment } from 'react';
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

/** Breaks after its dots; of several, the piece that tells it from the others stands out. */
function GroupName({ group, groups }: { group: GroupSummary; groups: readonly GroupSummary[] }) {
  const { name } = group;
  const piece = stackName(groups, group.id);
  const start = name.indexOf(piece);
  const end = start + piece.length;
  if (!piece) return <Dotted text={name} />;
  return (
    <>
      <span className="group-rest">
        <Dotted text={name.slice(0, start)} />
      </span>
      <Dotted text={name.slice(start, end)} />
      <span className="group-rest">
        <Dotted text={name.slice(end)} />
      </span>
    </>
  );
}

function Dotted({ text }: { text: string }) {
  return text.split(/(?<=\.)/).map((piece, index) => (
    <Fragment key={index}>
      {piece}
      <wbr />
    </Fragment>
  ));
}

function NumberCell({ value }: { value: number }) {
  return (
    <td className="number">
      <data value={String(value)}>{formatInteger(value)}</data>
    </td>
  );
}
