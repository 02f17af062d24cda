//! The geo group.

use super::{Family, line};

pub const FAMILY: Family = Family {
    name: "geo",
    templates: &[
        line(20, "GEOADD <geokey> <lon> <lat> <place> [<lon> <lat> <place>] [<lon> <lat> <place>]"),
        line(6, "GEOADD <geokey> {[NX|XX] [CH]} <lon> <lat> <place>"),
        line(2, "GEOADD <geokey> {[NX] [XX] [CH]} <float> <float> <place> [<junk>]"),
        line(6, "GEODIST <geokey> <place> <place> [M|KM|FT|MI]"),
        line(5, "GEOHASH <geokey> <place>*"),
        line(5, "GEOPOS <geokey> <place>*"),
        line(
            14,
            "GEOSEARCH <geokey> {(FROMMEMBER <place>|FROMLONLAT <lon> <lat>) (BYRADIUS <length> (M|KM|FT|MI)|BYBOX <length> <length> (M|KM|FT|MI)) [ASC|DESC] [COUNT <count> [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]}",
        ),
        line(
            2,
            "GEOSEARCH <geokey> {[FROMMEMBER <place>] [FROMLONLAT <lon> <lat>] [BYRADIUS <length> KM] [BYBOX <length> <length> KM] [COUNT <int>] [ANY] [STOREDIST] [<junk>]}",
        ),
        line(
            8,
            "GEOSEARCHSTORE <geokey> <geokey> {(FROMMEMBER <place>|FROMLONLAT <lon> <lat>) (BYRADIUS <length> (M|KM|FT|MI)|BYBOX <length> <length> (M|KM|FT|MI)) [ASC|DESC] [COUNT <count> [ANY]] [STOREDIST]}",
        ),
        line(
            8,
            "(GEORADIUS|GEORADIUS_RO) <geokey> <lon> <lat> <length> (M|KM|FT|MI) {[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT <count> [ANY]] [ASC|DESC]}",
        ),
        line(
            4,
            "GEORADIUS <geokey> <lon> <lat> <length> KM {[COUNT <count>] [ASC|DESC] [STORE <geokey>] [STOREDIST <geokey>] [WITHDIST]}",
        ),
        line(
            6,
            "(GEORADIUSBYMEMBER|GEORADIUSBYMEMBER_RO) <geokey> <place> <length> (M|KM|FT|MI) {[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT <count> [ANY]] [ASC|DESC]}",
        ),
        line(
            3,
            "GEORADIUSBYMEMBER <geokey> <place> <length> KM {[COUNT <count>] [ASC|DESC] [STORE <geokey>] [STOREDIST <geokey>]}",
        ),
        line(3, "ZREM <geokey> <place>"),
        line(2, "ZADD <geokey> <score> <place>"),
        line(1, "(DEL|TYPE) <geokey>"),
        line(1, "SET <geokey> <value>"),
    ],
};
