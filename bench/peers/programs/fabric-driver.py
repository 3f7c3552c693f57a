"""A Fabric group that is kept open."""
import warnings

warnings.filterwarnings("ignore")  # of paramiko, about ciphers that are not used here

from driver import drive, task  # noqa: E402
from fabric import Config, Connection, ThreadingGroup  # noqa: E402

config = Config(overrides={"load_ssh_configs": False})
group = ThreadingGroup.from_connections(
    Connection(
        drone["host"],
        user=drone["user"],
        port=drone["port"],
        config=config,
        connect_timeout=60,
        connect_kwargs={
            "key_filename": drone["identity"],
            "look_for_keys": False,
            "allow_agent": False,
            "banner_timeout": 60,
            "auth_timeout": 60,
        },
    )
    for drone in task()["drones"]
)


def run_true():
    results = group.run("true", hide=True, in_stream=False)  # raises when one fails
    assert len(results) == len(group)


drive({"run true": run_true})
group.close()
