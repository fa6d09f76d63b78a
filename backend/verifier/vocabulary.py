"""The vocabulary terms of CBV 2.0 and their three spellings: bare word, URN, and web URI.

JSON writes the bare word, XML the URN or the web URI; the event hash uses the web URI (CBV 2.0, sections 7
and 8.9). Sensor terms belong to the GS1 Web Vocabulary.
"""

from dataclasses import dataclass
from typing import Final

CBV: Final = "https://ref.gs1.org/cbv/"
GS1: Final = "https://gs1.org/voc/"
EPCIS: Final = "https://ref.gs1.org/epcis/"
RDFS: Final = "http://www.w3.org/2000/01/rdf-schema#"

_FORMER_GS1: Final = ("https://ref.gs1.org/voc/", "https://www.gs1.org/voc/", "http://gs1.org/voc/")

CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"

CONTEXTS: Final = frozenset(
    {
        CONTEXT,
        "https://ref.gs1.org/standards/epcis/epcis-context.jsonld",
        "https://ref.gs1.org/standards/epcis/2.0.1/epcis-context.jsonld",
        "https://gs1.github.io/EPCIS/epcis-context.jsonld",
    }
)
"""The names under which EPCIS 2.0's JSON-LD context is published. Known here, never fetched."""

PREFIXES: Final = {
    "epcis": EPCIS,
    "cbv": CBV,
    "cbvmda": "urn:epcglobal:cbv:mda",
    "gs1": GS1,
    "rdfs": RDFS,
    "owl": "http://www.w3.org/2002/07/owl#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dcterms": "http://purl.org/dc/terms/",
}
"""Prefixes that the context itself defines. `cbvmda` is given the namespace it has in XML, so that master
data hashes alike in both bindings; the context writes it with a colon at the end."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One closed list of terms: `web` and `urn` are what stands before a term's bare word."""

    name: str
    web: str
    urn: str
    words: frozenset[str]
    other_webs: tuple[str, ...] = ()
    """Where the same terms were published before."""

    def expand(self, value: str) -> str:
        """The web URI of a term in any spelling; any other value as it is."""
        if value in self.words:
            return self.web + value
        for start in (self.urn, *self.other_webs):
            if start and value.startswith(start):
                return self.web + value[len(start) :]
        return value

    def bare(self, value: str) -> str:
        """The bare word of a known term in any spelling; any other value as it is."""
        for start in (self.urn, self.web, *self.other_webs):
            if start and value.startswith(start) and value[len(start) :] in self.words:
                return value[len(start) :]
        return value

    def to_urn(self, value: str) -> str:
        """The URN of a known term (its web URI where there are no URNs); any other value as it is."""
        word = self.bare(value)
        return (self.urn or self.web) + word if word in self.words else value


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BIZ_STEP: Final = Vocabulary(
    "bizStep",
    CBV + "BizStep-",
    "urn:epcglobal:cbv:bizstep:",
    _words(
        "accepting arriving assembling collecting commissioning consigning creating_class_instance "
        "cycle_counting decommissioning departing destroying disassembling dispensing encoding "
        "entering_exiting holding inspecting installing killing loading other packing picking receiving "
        "removing repackaging repairing replacing reserving retail_selling sampling sensor_reporting "
        "shipping staging_outbound stock_taking stocking storing transporting unloading unpacking "
        "void_shipping"
    ),
)

DISPOSITION: Final = Vocabulary(
    "disposition",
    CBV + "Disp-",
    "urn:epcglobal:cbv:disp:",
    _words(
        "active available completeness_inferred completeness_verified conformant container_closed "
        "container_open damaged destroyed dispensed disposed encoded expired in_progress in_transit "
        "inactive mismatch_class mismatch_instance mismatch_quantity needs_replacement no_pedigree_match "
        "non_conformant non_sellable_other partially_dispensed recalled reserved retail_sold returned "
        "sellable_accessible sellable_not_accessible stolen unavailable unknown"
    ),
)

BIZ_TRANSACTION_TYPE: Final = Vocabulary(
    "business transaction type",
    CBV + "BTT-",
    "urn:epcglobal:cbv:btt:",
    _words("bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt"),
)

SOURCE_DEST_TYPE: Final = Vocabulary(
    "source or destination type",
    CBV + "SDT-",
    "urn:epcglobal:cbv:sdt:",
    _words("location owning_party possessing_party"),
)

ERROR_REASON: Final = Vocabulary(
    "error reason", CBV + "ER-", "urn:epcglobal:cbv:er:", _words("did_not_occur incorrect_data")
)

COMPONENT: Final = Vocabulary(
    "component",
    CBV + "Comp-",
    "",
    _words(
        "altitude axial_distance azimuth easting elevation_angle height latitude longitude northing "
        "polar_angle spherical_radius x y z"
    ),
)

MEASUREMENT: Final = Vocabulary(
    "measurement type",
    GS1,
    "",
    _words(
        "AbsoluteHumidity AbsorbedDose AbsorbedDoseRate Acceleration Altitude AmountOfSubstance "
        "AmountOfSubstancePerUnitVolume Angle AngularAcceleration AngularMomentum AngularVelocity Area "
        "Capacitance Conductance Conductivity Count Density Dimensionless DoseEquivalent "
        "DoseEquivalentRate DynamicViscosity ElectricCharge ElectricCurrent ElectricCurrentDensity "
        "ElectricFieldStrength Energy Exposure Force Frequency Illuminance Inductance Irradiance "
        "KinematicViscosity Length LinearMomentum Luminance LuminousFlux LuminousIntensity MagneticFlux "
        "MagneticFluxDensity MagneticVectorPotential Mass MassConcentration MassFlowRate MassPerAreaTime "
        "MemoryCapacity MolalityOfSolute MolarEnergy MolarMass MolarVolume Power Pressure RadiantFlux "
        "RadiantIntensity Radioactivity RelativeHumidity Resistance Resistivity SolidAngle "
        "SpecificVolume Speed SurfaceDensity SurfaceTension Temperature Time Torque Voltage Volume "
        "VolumeFlowRate VolumeFraction VolumetricFlux Wavenumber"
        # In use in published documents although not in the list of 2022.
        " EffectiveDoseRate Molar_concentration"
    ),
    _FORMER_GS1,
)

SENSOR_ALERT: Final = Vocabulary(
    "sensor alert", GS1, "", _words("ALARM_CONDITION ERROR_CONDITION"), _FORMER_GS1
)

URN_VOCABULARIES: Final = (BIZ_STEP, DISPOSITION, BIZ_TRANSACTION_TYPE, SOURCE_DEST_TYPE, ERROR_REASON)
"""The vocabularies whose terms also have a URN, as XML writes them."""
